/*
 * transaction/folder_swap, with system calls: a folder of this machine in the place of a container's volume. That way
 * is only taken by root. test_folder_swap_script.c has the same tests of the other way.
 */
#include "tar_support.h"
#include "volume_support.h"

#include "transaction/folder_swap.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#define OWN ".whisperbackup-restore"

/* --- the runtime -------------------------------------------------------------------------------------------------- */

#ifdef BY_SCRIPT
#define PROGRAM "folder_swap_script"
#define DATA    volume /* the volume has the same path in the container */

/* As in a throwaway container: standard output and standard error together. */
static enum status run_here(struct runtime *here, const struct container *in, const char *const *arguments,
							struct buffer *output, int *ret_exit_code, struct error *error)
{
	int ends[2];
	char block[4096];
	(void)here;
	(void)in;
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		execvp(arguments[0], (char *const *)(uintptr_t)arguments);
		_exit(127);
	}
	close(ends[1]);
	enum status status = STATUS_OK;
	for (ssize_t length; (length = read(ends[0], block, sizeof block)) > 0;) {
		status = status == STATUS_OK ? buffer_append(output, block, (size_t)length, error) : status;
	}
	close(ends[0]);
	int result = 0;
	assert_int_equal(waitpid(child, &result, 0), child);
	*ret_exit_code = WIFEXITED(result) ? WEXITSTATUS(result) : 128 + WTERMSIG(result);
	return status;
}

/* As the engine: into the folder, whatever is there, and what does not come to its end stays as far as it came. */
static enum status put_here(struct runtime *here, const struct container *in, const char *path, struct source *tar,
							struct error *error)
{
	(void)here;
	(void)in;
	char command[PATH_MAX + 64];
	char block[4096];
	snprintf(command, sizeof command, "tar -x --delay-directory-restore --numeric-owner -p -C '%s' 2>/dev/null", path);
	FILE *program = popen(command, "we");
	assert_non_null(program);
	enum status status = STATUS_OK;
	for (size_t length = 1; status == STATUS_OK && length > 0;) {
		status = source_read(tar, block, sizeof block, &length, error);
		if (status == STATUS_OK) {
			fwrite(block, 1, length, program);
		}
	}
	int result = pclose(program);
	return status == STATUS_OK && result != 0 ? error_set(error, STATUS_FAILED, "tar ended with %d", result) : status;
}

static const struct runtime_ops here_ops = {.helper = run_here, .archive_put = put_here};

static void prepare_runtime(void)
{
	runtime.ops = &here_ops;
	runtime.volume_access = VOLUME_API;
	mounts[0].destination = volume;
}
#else
#define PROGRAM "folder_swap"
#define DATA    destination

static void prepare_runtime(void)
{
}
#endif

/* --- a volume with old data, and new data ------------------------------------------------------------------------- */

static const char old_data[] =
	"echo old >a; echo old >.dot; mkdir -p d/sub; echo old >d/x; echo old >d/sub/y; ln -s a link; ln a hard; "
	"mkdir empty; touch -d '2001-02-03' a d/x d; chmod 640 .dot; chown -R 7474:7474 .; chmod 2750 .";
static const char new_data[] = "echo new >a; echo new >.newdot; mkdir -p d e/.hidden; echo new >d/z; ln -s d link; "
							   "touch -d '2011-02-03' a d/z; chown -R 999:1000 .; chmod 711 .";

/* Makes SCRATCH/volume with old data, and SCRATCH/old and SCRATCH/new to compare with. */
static void make_volume(const char *scratch, const char *old, const char *new)
{
	if (geteuid() != 0) {
		skip();
	}
	make_folder(at(scratch, "volume"));
	run_in(at(scratch, "volume"), old);
	shell_ok("cp -a '%s/volume' '%s/old'", scratch, scratch);
	make_folder(at(scratch, "new"));
	run_in(at(scratch, "new"), new);
}

static struct folder_swap *new_swap(const char *scratch, const char *const *names)
{
	struct error error;
	struct folder_swap *swap = NULL;
	snprintf(volume, sizeof volume, "%s", at(scratch, "volume"));
	prepare_runtime();
	assert_ok(folder_swap_new(&runtime, &container, DATA, names, &swap, &error), &error);
	return swap;
}

/* Stages what SCRATCH/new holds. */
static enum status stage(struct folder_swap *swap, const char *scratch, struct error *error)
{
	struct buffer archive = packed(at(scratch, "new"), "data");
	enum status status = folder_swap_stage(swap, drip(archive.data, archive.length, 100000), "data", NULL, error);
	buffer_free(&archive);
	return status;
}

static void assert_volume_is(const char *scratch, const char *expected)
{
	assert_false(exists(at(scratch, "volume/" OWN)));
	assert_same_trees(at(scratch, expected), at(scratch, "volume"));
}

/* --- one step after the other ------------------------------------------------------------------------------------- */

static void stage_leaves_the_live_data_alone(void **state)
{
	struct error error;
	make_volume(*state, old_data, new_data);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	shell_ok("mv '%s/volume/" OWN "' '%s/staged'", (char *)*state, (char *)*state);
	assert_volume_is(*state, "old");
}

static void stage_puts_the_new_data_beside_the_live_data(void **state)
{
	struct error error;
	make_volume(*state, old_data, new_data);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	assert_same_trees(at(*state, "new"), at(*state, "volume/" OWN "/new"));
}

#ifndef BY_SCRIPT
static void what_is_staged_is_hidden_from_others(void **state)
{
	struct error error;
	make_volume(*state, old_data, new_data);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	assert_int_equal(attributes_of(at(*state, "volume/" OWN)).st_mode & 0777, 0700);
}
#endif

static void apply_puts_the_new_data_in_place(void **state)
{
	struct error error;
	make_volume(*state, old_data, new_data);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	shell_ok("rm -r '%s/volume/" OWN "'", (char *)*state);
	assert_volume_is(*state, "new");
}

static void apply_keeps_the_old_data(void **state)
{
	struct error error;
	make_volume(*state, old_data, new_data);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	assert_same_trees(at(*state, "old"), at(*state, "volume/" OWN "/old"));
}

static void apply_says_that_it_is_done(void **state)
{
	struct error error;
	make_volume(*state, old_data, new_data);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	assert_file_is(at(*state, "volume/" OWN "/state"), "done");
}

static void commit_leaves_the_new_data_and_nothing_of_ours(void **state)
{
	struct error error;
	make_volume(*state, old_data, new_data);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	assert_ok(folder_swap_commit(swap, &error), &error);
	assert_volume_is(*state, "new");
}

static void commit_may_be_called_again(void **state)
{
	struct error error;
	make_volume(*state, old_data, new_data);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	assert_ok(folder_swap_commit(swap, &error), &error);
	assert_ok(folder_swap_commit(swap, &error), &error);
	assert_volume_is(*state, "new");
}

static void rollback_brings_back_the_old_data_exactly(void **state)
{
	struct error error;
	make_volume(*state, old_data, new_data);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	assert_ok(folder_swap_rollback(swap, &error), &error);
	assert_volume_is(*state, "old");
}

static void rollback_removes_what_the_service_has_written_since(void **state)
{
	struct error error;
	make_volume(*state, old_data, new_data);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	run_in(at(*state, "volume"),
		   "echo more >>a; mkdir -p logs/x; echo log >logs/x/y; echo z >d/more; rm -r e; chmod 777 .; chown 5:6 .");
	assert_ok(folder_swap_rollback(swap, &error), &error);
	assert_volume_is(*state, "old");
}

static void rollback_before_the_swap_removes_what_was_staged(void **state)
{
	struct error error;
	make_volume(*state, old_data, new_data);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_rollback(swap, &error), &error);
	assert_volume_is(*state, "old");
}

static void rollback_with_nothing_staged_does_nothing(void **state)
{
	struct error error;
	make_volume(*state, old_data, new_data);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(folder_swap_rollback(swap, &error), &error);
	assert_volume_is(*state, "old");
}

static void rollback_may_be_called_again(void **state)
{
	struct error error;
	make_volume(*state, old_data, new_data);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	assert_ok(folder_swap_rollback(swap, &error), &error);
	assert_ok(folder_swap_rollback(swap, &error), &error);
	assert_volume_is(*state, "old");
}

static void an_empty_folder_can_be_filled(void **state)
{
	struct error error;
	make_volume(*state, "true", new_data);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	assert_ok(folder_swap_commit(swap, &error), &error);
	assert_volume_is(*state, "new");
}

static void a_folder_can_be_emptied(void **state)
{
	struct error error;
	make_volume(*state, old_data, "true");
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	assert_ok(folder_swap_commit(swap, &error), &error);
	assert_volume_is(*state, "new");
}

/* More than one reading of the folder gives, while it changes. */
static void thousands_of_entries_are_swapped(void **state)
{
	struct error error;
	make_volume(*state, "for i in $(seq 1500); do echo $i >old-file-with-a-long-name-$i; done",
				"for i in $(seq 1000); do echo $i >new-file-with-a-long-name-$i; done");
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	assert_ok(folder_swap_commit(swap, &error), &error);
	assert_volume_is(*state, "new");
}

static void thousands_of_entries_are_rolled_back(void **state)
{
	struct error error;
	make_volume(*state, "for i in $(seq 1500); do echo $i >old-file-with-a-long-name-$i; done",
				"for i in $(seq 1000); do echo $i >new-file-with-a-long-name-$i; done");
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	assert_ok(folder_swap_rollback(swap, &error), &error);
	assert_volume_is(*state, "old");
}

static void applied_is_true_between_apply_and_commit(void **state)
{
	struct error error;
	make_volume(*state, old_data, new_data);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	assert_false(folder_swap_applied(swap));
	assert_ok(folder_swap_apply(swap, &error), &error);
	assert_true(folder_swap_applied(swap));
	assert_ok(folder_swap_commit(swap, &error), &error);
	assert_false(folder_swap_applied(swap));
}

static void applied_is_true_between_apply_and_rollback(void **state)
{
	struct error error;
	make_volume(*state, old_data, new_data);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	assert_ok(folder_swap_rollback(swap, &error), &error);
	assert_false(folder_swap_applied(swap));
}

/* --- failures ----------------------------------------------------------------------------------------------------- */

static void a_stage_of_damaged_data_fails_and_can_be_rolled_back(void **state)
{
	struct error error;
	make_volume(*state, old_data, new_data);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	struct buffer archive = packed(at(*state, "new"), "data");
	enum status status =
		folder_swap_stage(swap, drip(archive.data, archive.length - 2048, 100000), "data", NULL, &error);
	buffer_free(&archive);
	assert_status(STATUS_DAMAGED, status, &error);
	assert_ok(folder_swap_rollback(swap, &error), &error);
	assert_volume_is(*state, "old");
}

#ifndef BY_SCRIPT
static void a_second_stage_is_refused(void **state)
{
	struct error error;
	make_volume(*state, old_data, new_data);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	assert_status(STATUS_FAILED, stage(swap, *state, &error), &error);
}

static int refused; /* errno of the next unlinkat of a folder "old" */

int unlinkat(int folder, const char *name, int flags)
{
	if (refused != 0 && flags == AT_REMOVEDIR && strcmp(name, "old") == 0) {
		errno = refused;
		refused = 0;
		return -1;
	}
	return (int)syscall(SYS_unlinkat, folder, name, flags);
}

/* Such as a disk that has been pulled out: that says nothing of what is there. */
static void old_data_that_cannot_be_looked_at_is_not_called_lost(void **state)
{
	struct error error;
	make_volume(*state, old_data, new_data);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	make_folder(at(*state, "volume/" OWN "/old"));
	refused = EIO;
	assert_status(STATUS_FAILED, folder_swap_rollback(swap, &error), &error);
	assert_non_null(strstr(error.message, "/old: Input/output error"));
	assert_ok(folder_swap_rollback(swap, &error), &error);
	assert_volume_is(*state, "old");
}
#endif

static void an_apply_with_nothing_staged_fails_and_moves_nothing(void **state)
{
	struct error error;
	make_volume(*state, old_data, new_data);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_status(STATUS_FAILED, folder_swap_apply(swap, &error), &error);
	assert_volume_is(*state, "old");
}

/* A top that is a symbolic link would have the entries of its target moved into the volume. */
static void an_archive_whose_top_is_a_symbolic_link_moves_nothing_from_elsewhere(void **state)
{
	struct error error;
	make_volume(*state, old_data, new_data);
	make_folder(at(*state, "elsewhere"));
	write_file(at(*state, "elsewhere/precious"), "precious");
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	struct buffer archive = BUFFER_INIT(ARCHIVE_LIMIT);
	raw_entry(&archive, '2', "data", at(*state, "elsewhere"), NULL);
	raw_zeros(&archive, 2);
	enum status status = folder_swap_stage(swap, drip(archive.data, archive.length, 100000), "data", NULL, &error);
	buffer_free(&archive);
	if (status == STATUS_OK) {
		(void)!folder_swap_apply(swap, &error);
	}
	assert_true(exists(at(*state, "elsewhere/precious")));
}

static void a_folder_in_no_volume_is_refused(void **state)
{
	(void)state;
	struct error error;
	struct folder_swap *swap = NULL;
	assert_status(STATUS_FAILED, folder_swap_new(&runtime, &container, "/elsewhere", NULL, &swap, &error), &error);
	assert_true(error.hint[0] != '\0');
}

static void a_folder_that_holds_another_mount_is_refused(void **state)
{
	(void)state;
	struct error error;
	struct folder_swap *swap = NULL;
	static char outer[] = "/data";
	static char inner[] = "/data/logs";
	struct mount both[] = {{.type = empty, .source = empty, .destination = outer, .writable = true},
						   {.type = empty, .source = empty, .destination = inner, .writable = true}};
	struct container nested = container;
	nested.mounts = both;
	nested.mount_count = 2;
	assert_status(STATUS_FAILED, folder_swap_new(&runtime, &nested, "/data", NULL, &swap, &error), &error);
	assert_non_null(strstr(error.message, "/data/logs"));
}

/* A runtime that knows only how long the state's file is; -1: there is none, -2: it does not answer. */
static int64_t state_size;

static enum status tell_state(struct runtime *asked, const struct container *of, const char *path,
							  struct path_stat *ret_stat, struct error *error)
{
	(void)asked;
	(void)of;
	assert_string_equal(path, "/var/lib/data/" OWN "/state");
	if (state_size < 0) {
		return error_set(error, state_size == -1 ? STATUS_NOT_FOUND : STATUS_UNAVAILABLE, "no state");
	}
	*ret_stat = (struct path_stat){.size = (uint64_t)state_size, .mode = S_IFREG | 0600};
	return STATUS_OK;
}

static enum status ask_unfinished(int64_t size, bool *ret_unfinished, struct error *error)
{
	static const struct runtime_ops ops = {.archive_stat = tell_state};
	struct runtime teller = {.ops = &ops};
	state_size = size;
	return folder_swap_unfinished(&teller, &container, "/var/lib/data", ret_unfinished, error);
}

static void a_folder_without_a_state_is_not_unfinished(void **state)
{
	(void)state;
	struct error error;
	bool unfinished = true;
	assert_ok(ask_unfinished(-1, &unfinished, &error), &error);
	assert_false(unfinished);
}

static void a_swap_that_was_done_is_not_unfinished(void **state)
{
	(void)state;
	struct error error;
	bool unfinished = true;
	assert_ok(ask_unfinished(strlen("done"), &unfinished, &error), &error);
	assert_false(unfinished);
}

static void a_swap_in_any_other_state_is_unfinished(void **state)
{
	(void)state;
	struct error error;
	bool unfinished = false;
	assert_ok(ask_unfinished(strlen("out"), &unfinished, &error), &error);
	assert_true(unfinished);
	assert_ok(ask_unfinished(strlen("in"), &unfinished, &error), &error);
	assert_true(unfinished);
}

static void a_state_that_cannot_be_asked_for_is_a_failure(void **state)
{
	(void)state;
	struct error error;
	bool unfinished = false;
	assert_status(STATUS_UNAVAILABLE, ask_unfinished(-2, &unfinished, &error), &error);
}

/* --- only some entries -------------------------------------------------------------------------------------------- */

static const char *const some_names[] = {"dump.rdb", "appendonlydir", NULL};

static const char old_redis[] =
	"echo old >dump.rdb; mkdir appendonlydir; echo old >appendonlydir/base; echo other >other; "
	"mkdir .config; chown -R 999:1000 .; chmod 750 .";
static const char new_redis[] = "mkdir appendonlydir; echo new >appendonlydir/base; echo new >appendonlydir/manifest; "
								"chmod 700 .; chown -R 5:5 .";

static void apply_of_some_names_replaces_those(void **state)
{
	struct error error;
	make_volume(*state, old_redis, new_redis);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, some_names);
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	assert_ok(folder_swap_commit(swap, &error), &error);
	assert_false(exists(at(*state, "volume/dump.rdb")));
	assert_same_trees(at(*state, "new/appendonlydir"), at(*state, "volume/appendonlydir"));
}

static void apply_of_some_names_leaves_other_files_alone(void **state)
{
	struct error error;
	make_volume(*state, old_redis, new_redis);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, some_names);
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	assert_ok(folder_swap_commit(swap, &error), &error);
	assert_file_is(at(*state, "volume/other"), "other\n");
	assert_true(exists(at(*state, "volume/.config")));
}

static void apply_of_some_names_leaves_the_folders_owner_and_mode(void **state)
{
	struct error error;
	make_volume(*state, old_redis, new_redis);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, some_names);
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	assert_ok(folder_swap_commit(swap, &error), &error);
	struct stat attributes = attributes_of(at(*state, "volume"));
	assert_int_equal(attributes.st_mode & 07777, 0750);
	assert_int_equal(attributes.st_uid, 999);
	assert_int_equal(attributes.st_gid, 1000);
}

static void rollback_of_some_names_brings_them_back(void **state)
{
	struct error error;
	make_volume(*state, old_redis, new_redis);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, some_names);
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	assert_ok(folder_swap_rollback(swap, &error), &error);
	assert_volume_is(*state, "old");
}

static void rollback_of_names_that_were_not_there_removes_them(void **state)
{
	struct error error;
	make_volume(*state, "echo other >other", new_redis);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, some_names);
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	assert_ok(folder_swap_rollback(swap, &error), &error);
	assert_volume_is(*state, "old");
}

static void rollback_of_some_names_keeps_what_the_service_has_written_elsewhere(void **state)
{
	struct error error;
	make_volume(*state, old_redis, new_redis);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, some_names);
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	write_file(at(*state, "volume/other"), "changed");
	assert_ok(folder_swap_rollback(swap, &error), &error);
	assert_file_is(at(*state, "volume/other"), "changed");
}

/* The names are the only entries to be replaced, whatever was staged. */
static void a_staged_entry_of_another_name_replaces_nothing(void **state)
{
	struct error error;
	make_volume(*state, old_redis, "echo new >dump.rdb; echo new >other");
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, some_names);
	assert_ok(stage(swap, *state, &error), &error);
	(void)!folder_swap_apply(swap, &error);
	assert_ok(folder_swap_rollback(swap, &error), &error);
	assert_volume_is(*state, "old");
}

/* --- what a run that died has left -------------------------------------------------------------------------------- */

/* Runs a shell command in the volume, where `o` is our folder, and heals; *ret_moved may be NULL. */
static void die_at(const char *scratch, const char *command)
{
	shell_ok("cd '%s/volume' && o=" OWN " && { %s; }", scratch, command);
}

#define STAGED "mkdir -m 700 $o; cp -a ../new $o/new; "
#define OLD    "mkdir $o/old; chown --reference=. $o/old; chmod --reference=. $o/old; "

static enum status heal(const char *scratch, bool stopped, bool *ret_moved, struct error *error)
{
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(scratch, NULL);
	return folder_swap_heal(swap, stopped, ret_moved, error);
}

/* After a death at that point, with the service stopped, everything is as it was. */
static void assert_heals(const char *scratch, const char *command)
{
	struct error error;
	bool moved = true;
	make_volume(scratch, old_data, new_data);
	die_at(scratch, command);
	assert_ok(heal(scratch, true, &moved, &error), &error);
	assert_false(moved);
	assert_volume_is(scratch, "old");
}

static void heal_of_a_folder_with_nothing_of_ours_does_nothing(void **state)
{
	assert_heals(*state, "true");
}

static void heal_removes_what_was_half_staged(void **state)
{
	assert_heals(*state, "mkdir -m 700 $o $o/new; echo x >$o/new/a");
}

static void heal_of_staged_data_needs_no_stop(void **state)
{
	struct error error;
	bool moved = true;
	make_volume(*state, old_data, new_data);
	die_at(*state, STAGED "true");
	assert_ok(heal(*state, false, &moved, &error), &error);
	assert_false(moved);
	assert_volume_is(*state, "old");
}

static void heal_of_a_death_before_the_first_state(void **state)
{
	assert_heals(*state, STAGED OLD "printf out >$o/state.new");
}

static void heal_of_a_death_before_anything_was_moved_out(void **state)
{
	assert_heals(*state, STAGED OLD "printf out >$o/state");
}

static void heal_of_a_death_when_half_was_moved_out(void **state)
{
	assert_heals(*state, STAGED OLD "printf out >$o/state; mv .dot d $o/old");
}

static void heal_of_a_death_when_all_was_moved_out(void **state)
{
	assert_heals(*state, STAGED OLD "printf out >$o/state; mv a .dot d link hard empty $o/old");
}

static void heal_of_a_death_before_anything_was_moved_in(void **state)
{
	assert_heals(*state, STAGED OLD "mv a .dot d link hard empty $o/old; printf in >$o/state");
}

static void heal_of_a_death_when_half_was_moved_in(void **state)
{
	assert_heals(*state,
				 STAGED OLD "mv a .dot d link hard empty $o/old; printf in >$o/state; mv $o/new/d $o/new/.newdot .");
}

static void heal_of_a_death_when_all_was_moved_in(void **state)
{
	assert_heals(*state,
				 STAGED OLD "mv a .dot d link hard empty $o/old; printf in >$o/state; "
							"mv $o/new/* $o/new/.newdot .; chmod 711 .; chown 999:1000 .; printf done >$o/state.new");
}

static void heal_of_a_death_in_a_rollback_that_had_taken_half_out_again(void **state)
{
	assert_heals(*state, STAGED OLD "mv a .dot d link hard empty $o/old; printf in >$o/state; mv $o/new/d $o/new/a .; "
									"mv a $o/new/");
}

static void heal_of_a_death_in_a_rollback_that_had_brought_half_back(void **state)
{
	assert_heals(*state, STAGED OLD "printf out >$o/state; mv d $o/old");
}

/* The state is the first to go, so that what is left is known to be rubbish. */
static void heal_of_a_death_in_a_rollback_that_had_removed_the_state_first(void **state)
{
	assert_heals(*state, "mkdir -m 700 $o $o/old $o/new");
}

static void heal_does_not_move_data_under_a_service_that_runs(void **state)
{
	struct error error;
	bool moved = false;
	make_volume(*state, old_data, new_data);
	die_at(*state, STAGED OLD "printf out >$o/state; mv .dot d $o/old");
	char *before = listing(at(*state, "volume"));
	assert_ok(heal(*state, false, &moved, &error), &error);
	char *after = listing(at(*state, "volume"));
	assert_string_equal(after, before);
	free(before);
	free(after);
	assert_true(moved);
}

static void heal_leaves_a_swap_that_was_done(void **state)
{
	struct error error;
	bool moved = true;
	make_volume(*state, old_data, new_data);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	assert_ok(heal(*state, false, &moved, &error), &error);
	assert_false(moved);
	assert_volume_is(*state, "new");
}

/* The old data is the first to go: as long as any of it is there, the state says that it is not needed. */
static void heal_of_a_death_in_a_commit(void **state)
{
	struct error error;
	bool moved = true;
	make_volume(*state, old_data, new_data);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	die_at(*state, "rm -rf $o/old/d $o/new"); /* the script has removed the latter already */
	assert_ok(heal(*state, false, &moved, &error), &error);
	assert_volume_is(*state, "new");
}

/* Makes a file that not even root can remove, or one that is like others again; false where there is no such thing. */
static bool set_immutable(const char *path, bool immutable)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	int flags = 0;
	bool done = ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0;
	flags = immutable ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
	done = done && ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
	close(fd);
	return done;
}

/* Whatever was removed before the failure, the rest has to be known for what it is. */
static void a_commit_that_fails_in_the_middle_can_be_healed(void **state)
{
	struct error error;
	bool moved = true;
	make_volume(*state, old_data, new_data);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	if (!set_immutable(at(*state, "volume/" OWN "/old/d/x"), true)) {
		skip();
	}
	enum status status = folder_swap_commit(swap, &error);
	assert_true(set_immutable(at(*state, "volume/" OWN "/old/d/x"), false));
	assert_status(STATUS_FAILED, status, &error);
	assert_ok(heal(*state, false, &moved, &error), &error);
	assert_volume_is(*state, "new");
}

/* There is no way back any more, and the new data is all there is. */
static void a_rollback_after_a_commit_that_had_removed_the_old_data_keeps_the_new(void **state)
{
	struct error error;
	make_volume(*state, old_data, new_data);
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_ok(stage(swap, *state, &error), &error);
	assert_ok(folder_swap_apply(swap, &error), &error);
	die_at(*state, "rm -r $o/old");
	(void)!folder_swap_rollback(swap, &error);
	shell_ok("rm -rf '%s/volume/" OWN "'", (char *)*state);
	assert_volume_is(*state, "new");
}

static void heal_may_be_called_again(void **state)
{
	struct error error;
	bool moved = true;
	assert_heals(*state, STAGED OLD "printf out >$o/state; mv .dot d $o/old");
	assert_ok(heal(*state, true, &moved, &error), &error);
	assert_volume_is(*state, "old");
}

/*
 * The engine may have started the service again (restart: always, a reboot) over the half of its data, and it has made
 * anew what it missed. The old data has to come back all the same.
 */
static void heal_replaces_a_file_that_the_service_has_made_anew(void **state)
{
	assert_heals(*state, STAGED OLD "printf out >$o/state; mv .dot d $o/old; echo anew >.dot");
}

static void heal_replaces_a_folder_that_the_service_has_made_anew(void **state)
{
	assert_heals(*state, STAGED OLD "printf out >$o/state; mv .dot d $o/old; mkdir d; echo anew >d/x");
}

static void heal_replaces_a_file_that_the_service_has_made_where_a_folder_was(void **state)
{
	assert_heals(*state, STAGED OLD "printf out >$o/state; mv .dot d $o/old; echo anew >d");
}

static void heal_takes_out_a_folder_that_the_service_has_made_before_it_was_moved_in(void **state)
{
	assert_heals(*state, STAGED OLD
				 "mv a .dot d link hard empty $o/old; printf in >$o/state; mv $o/new/a .; mkdir d; echo anew >d/x");
}

static void heal_takes_out_a_file_that_the_service_has_made_before_it_was_moved_in(void **state)
{
	assert_heals(*state, STAGED OLD "mv a .dot d link hard empty $o/old; printf in >$o/state; echo anew >d; mkdir a");
}

/* What it does not understand may be the only copy of somebody's data. */
static void heal_removes_no_old_data_under_a_state_that_it_does_not_know(void **state)
{
	struct error error;
	bool moved = false;
	make_volume(*state, old_data, new_data);
	die_at(*state, STAGED OLD "printf undone >$o/state; mv .dot d $o/old");
	assert_status(STATUS_FAILED, heal(*state, true, &moved, &error), &error);
	assert_file_is(at(*state, "volume/" OWN "/old/d/x"), "old\n");
}

static void heal_removes_no_old_data_whose_state_is_lost(void **state)
{
	struct error error;
	bool moved = false;
	make_volume(*state, old_data, new_data);
	die_at(*state, STAGED OLD "mv .dot d $o/old");
	assert_status(STATUS_FAILED, heal(*state, true, &moved, &error), &error);
	assert_file_is(at(*state, "volume/" OWN "/old/d/x"), "old\n");
}

static void rollback_removes_no_old_data_either_that_it_does_not_know(void **state)
{
	static const char *const scripts[] = {"mv .dot d $o/old", "printf undone >$o/state; mv .dot d $o/old"};
	for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
		struct error error;
		char script[512];
		make_volume(*state, old_data, new_data);
		snprintf(script, sizeof script, STAGED OLD "%s", scripts[i]);
		die_at(*state, script);
		CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
		assert_status(STATUS_FAILED, folder_swap_rollback(swap, &error), &error);
		assert_file_is(at(*state, "volume/" OWN "/old/d/x"), "old\n");
		assert_file_is(at(*state, "volume/a"), "old\n");
		shell_ok("rm -r '%s'/*", (char *)*state);
	}
}

static void rollback_does_not_believe_in_old_data_that_is_not_there(void **state)
{
	struct error error;
	make_volume(*state, old_data, new_data);
	die_at(*state, STAGED "printf out >$o/state");
	CLEANUP(cleanup_folder_swap) struct folder_swap *swap = new_swap(*state, NULL);
	assert_status(STATUS_FAILED, folder_swap_rollback(swap, &error), &error);
	assert_file_is(at(*state, "volume/a"), "old\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef BY_SCRIPT
		SCRIPT_TESTS,
#else
		/* The engine makes what is above an archive's entries as it likes, and adds to what is there. */
		scratch_test(what_is_staged_is_hidden_from_others),
		scratch_test(a_second_stage_is_refused),
		scratch_test(old_data_that_cannot_be_looked_at_is_not_called_lost),
#endif
		scratch_test(stage_leaves_the_live_data_alone),
		scratch_test(stage_puts_the_new_data_beside_the_live_data),
		scratch_test(apply_puts_the_new_data_in_place),
		scratch_test(apply_keeps_the_old_data),
		scratch_test(apply_says_that_it_is_done),
		scratch_test(commit_leaves_the_new_data_and_nothing_of_ours),
		scratch_test(commit_may_be_called_again),
		scratch_test(rollback_brings_back_the_old_data_exactly),
		scratch_test(rollback_removes_what_the_service_has_written_since),
		scratch_test(rollback_before_the_swap_removes_what_was_staged),
		scratch_test(rollback_with_nothing_staged_does_nothing),
		scratch_test(rollback_may_be_called_again),
		scratch_test(an_empty_folder_can_be_filled),
		scratch_test(a_folder_can_be_emptied),
		scratch_test(thousands_of_entries_are_swapped),
		scratch_test(thousands_of_entries_are_rolled_back),
		scratch_test(applied_is_true_between_apply_and_commit),
		scratch_test(applied_is_true_between_apply_and_rollback),
		scratch_test(a_stage_of_damaged_data_fails_and_can_be_rolled_back),
		scratch_test(an_apply_with_nothing_staged_fails_and_moves_nothing),
		scratch_test(an_archive_whose_top_is_a_symbolic_link_moves_nothing_from_elsewhere),
		cmocka_unit_test(a_folder_in_no_volume_is_refused),
		cmocka_unit_test(a_folder_that_holds_another_mount_is_refused),
		cmocka_unit_test(a_folder_without_a_state_is_not_unfinished),
		cmocka_unit_test(a_swap_that_was_done_is_not_unfinished),
		cmocka_unit_test(a_swap_in_any_other_state_is_unfinished),
		cmocka_unit_test(a_state_that_cannot_be_asked_for_is_a_failure),
		scratch_test(apply_of_some_names_replaces_those),
		scratch_test(apply_of_some_names_leaves_other_files_alone),
		scratch_test(apply_of_some_names_leaves_the_folders_owner_and_mode),
		scratch_test(rollback_of_some_names_brings_them_back),
		scratch_test(rollback_of_names_that_were_not_there_removes_them),
		scratch_test(rollback_of_some_names_keeps_what_the_service_has_written_elsewhere),
		scratch_test(a_staged_entry_of_another_name_replaces_nothing),
		scratch_test(heal_of_a_folder_with_nothing_of_ours_does_nothing),
		scratch_test(heal_removes_what_was_half_staged),
		scratch_test(heal_of_staged_data_needs_no_stop),
		scratch_test(heal_of_a_death_before_the_first_state),
		scratch_test(heal_of_a_death_before_anything_was_moved_out),
		scratch_test(heal_of_a_death_when_half_was_moved_out),
		scratch_test(heal_of_a_death_when_all_was_moved_out),
		scratch_test(heal_of_a_death_before_anything_was_moved_in),
		scratch_test(heal_of_a_death_when_half_was_moved_in),
		scratch_test(heal_of_a_death_when_all_was_moved_in),
		scratch_test(heal_of_a_death_in_a_rollback_that_had_taken_half_out_again),
		scratch_test(heal_of_a_death_in_a_rollback_that_had_brought_half_back),
		scratch_test(heal_of_a_death_in_a_rollback_that_had_removed_the_state_first),
		scratch_test(heal_does_not_move_data_under_a_service_that_runs),
		scratch_test(heal_leaves_a_swap_that_was_done),
		scratch_test(heal_of_a_death_in_a_commit),
		scratch_test(a_commit_that_fails_in_the_middle_can_be_healed),
		scratch_test(a_rollback_after_a_commit_that_had_removed_the_old_data_keeps_the_new),
		scratch_test(heal_may_be_called_again),
		scratch_test(heal_replaces_a_file_that_the_service_has_made_anew),
		scratch_test(heal_replaces_a_folder_that_the_service_has_made_anew),
		scratch_test(heal_replaces_a_file_that_the_service_has_made_where_a_folder_was),
		scratch_test(heal_takes_out_a_folder_that_the_service_has_made_before_it_was_moved_in),
		scratch_test(heal_takes_out_a_file_that_the_service_has_made_before_it_was_moved_in),
		scratch_test(heal_removes_no_old_data_under_a_state_that_it_does_not_know),
		scratch_test(heal_removes_no_old_data_whose_state_is_lost),
		scratch_test(rollback_removes_no_old_data_either_that_it_does_not_know),
		scratch_test(rollback_does_not_believe_in_old_data_that_is_not_there),
	};
	return cmocka_run_group_tests_name(PROGRAM, tests, NULL, NULL);
}
