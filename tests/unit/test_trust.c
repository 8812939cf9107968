/* catalog/trust: who can change a folder, by the folders and links on the way to it. */
#include "support.h"

#include "catalog/trust.h"

#include <dlfcn.h>
#include <grp.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

enum { SOMEBODY = 65534, NOBODYS_GROUP = 54321 };

static void need_root(void)
{
	if (geteuid() != 0) {
		skip();
	}
}

static void assert_trusted(const char *path)
{
	struct error error = {0};
	assert_ok(trust_check(path, &error), &error);
}

static void assert_refused(const char *path, const char *why)
{
	struct error error = {0};
	assert_status(STATUS_FAILED, trust_check(path, &error), &error);
	if (strstr(error.message, why) == NULL) {
		print_error("this is missing: %s\nin: %s\n", why, error.message);
		fail();
	}
	assert_non_null(strstr(error.hint, "--allow-shared-folder"));
}

/* The folder parent/backups in the scratch folder. */
static const char *backups_in(void *scratch, mode_t parent, mode_t backups)
{
	make_folder(at(scratch, "parent"));
	make_folder(at(scratch, "parent/backups"));
	assert_int_equal(chmod(at(scratch, "parent"), parent), 0);
	assert_int_equal(chmod(at(scratch, "parent/backups"), backups), 0);
	return at(scratch, "parent/backups");
}

static void a_folder_of_ones_own_is_trusted(void **state)
{
	assert_trusted(backups_in(*state, 0755, 0755));
}

static void a_folder_that_everybody_can_write_to_is_refused(void **state)
{
	assert_refused(backups_in(*state, 0755, 0757), "everybody can write to ");
}

static void the_sticky_bit_of_the_folder_itself_does_not_help(void **state)
{
	assert_refused(backups_in(*state, 0755, 01777), "everybody can write to ");
}

static void a_folder_that_a_group_can_write_to_is_refused(void **state)
{
	need_root();
	const char *backups = backups_in(*state, 0755, 0775);
	assert_int_equal(chown(backups, 0, NOBODYS_GROUP), 0);
	assert_refused(backups, "the group 54321 can write to ");
}

static struct group *made_up_group; /* instead of what the machine says */

struct group *getgrgid(gid_t id)
{
	static struct group *(*real)(gid_t);
	if (made_up_group != NULL) {
		return made_up_group;
	}
	*(void **)&real = dlsym(RTLD_NEXT, "getgrgid"); /* as dlsym(3) has it */
	return real(id);
}

static void a_group_of_the_owners_name_that_others_are_in_is_refused(void **state)
{
	static char name[] = "root";
	static char guest[] = "guest";
	char *alone[] = {name, NULL};
	char *with_others[] = {name, guest, NULL};
	struct group group = {.gr_name = name, .gr_gid = 0, .gr_mem = alone};
	struct error error = {0};
	need_root();
	const char *backups = backups_in(*state, 0755, 0775);
	made_up_group = &group;
	enum status own = trust_check(backups, &error);
	group.gr_mem = with_others;
	enum status shared = trust_check(backups, &error);
	made_up_group = NULL;
	assert_int_equal(own, STATUS_OK);
	assert_int_equal(shared, STATUS_FAILED);
	assert_non_null(strstr(error.message, "the group root can write to "));
}

static void the_group_of_the_owner_alone_may_write(void **state)
{
	need_root();
	const struct group *root = getgrgid(0);
	if (root == NULL || root->gr_mem[0] != NULL) {
		skip();
	}
	const char *backups = backups_in(*state, 0775, 0775);
	assert_trusted(backups);
}

static int list_trouble; /* errno of each look for an access control list; 0: none */

ssize_t getxattr(const char *path, const char *name, void *value, size_t size)
{
	errno = list_trouble;
	return list_trouble != 0 ? -1 : syscall(SYS_getxattr, path, name, value, size);
}

static void an_access_control_list_that_cannot_be_read_is_not_taken_for_none(void **state)
{
	static const int none[] = {ENODATA, ENOTSUP};
	need_root();
	const struct group *root = getgrgid(0);
	if (root == NULL || root->gr_mem[0] != NULL) {
		skip();
	}
	const char *backups = backups_in(*state, 0755, 0775);
	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		list_trouble = none[i];
		assert_trusted(backups);
	}
	list_trouble = EIO;
	assert_refused(backups, "the group root can write to ");
	list_trouble = 0;
}

static void an_access_control_list_makes_others_of_the_owners_group(void **state)
{
	need_root();
	const struct {
		uint32_t version;
		struct {
			uint16_t tag, rights;
			uint32_t id;
		} entries[5];
	} list = {2,
			  {{1, 7, ~0U}, {2, 7, SOMEBODY}, {4, 5, ~0U}, {16, 7, ~0U}, {32, 5, ~0U}}}; /* linux/posix_acl_xattr.h */
	const char *backups = backups_in(*state, 0755, 0755);
	if (setxattr(backups, "system.posix_acl_access", &list, sizeof list, 0) != 0) {
		skip(); /* the file system has none */
	}
	assert_refused(backups, "the group root can write to ");
}

static void a_folder_above_that_everybody_can_write_to_is_refused(void **state)
{
	assert_refused(backups_in(*state, 0777, 0700), "/parent");
}

static void a_folder_above_with_a_sticky_bit_is_trusted(void **state)
{
	assert_trusted(backups_in(*state, 01777, 0700));
}

static void what_is_not_there_yet_is_judged_by_what_is_above_it(void **state)
{
	char *path = strdup(at(backups_in(*state, 0777, 0700), "not/yet"));
	assert_refused(path, "/parent");
	assert_int_equal(chmod(at(*state, "parent"), 0755), 0);
	assert_trusted(path);
	free(path);
}

static void a_folder_of_somebody_else_is_refused(void **state)
{
	need_root();
	const char *backups = backups_in(*state, 0755, 0700);
	assert_int_equal(chown(backups, SOMEBODY, 0), 0);
	assert_refused(backups, "/parent/backups belongs to user ");
}

static void an_owner_without_a_name_is_told_by_number(void **state)
{
	need_root();
	const char *backups = backups_in(*state, 0755, 0700);
	assert_int_equal(chown(backups, NOBODYS_GROUP, 0), 0);
	assert_refused(backups, "/parent/backups belongs to user 54321");
}

static void a_folder_in_one_of_somebody_else_is_refused(void **state)
{
	need_root();
	const char *backups = backups_in(*state, 0755, 0700);
	assert_int_equal(chown(at(*state, "parent"), SOMEBODY, 0), 0);
	assert_refused(backups, "/parent belongs to user ");
}

static void who_called_sudo_is_trusted_by_root(void **state)
{
	need_root();
	const char *backups = backups_in(*state, 0755, 0700);
	assert_int_equal(chown(at(*state, "parent"), SOMEBODY, 0), 0);
	setenv("SUDO_UID", "65534", 1);
	assert_trusted(backups);
	setenv("SUDO_UID", "65533", 1);
	assert_refused(backups, "/parent belongs to user ");
	unsetenv("SUDO_UID");
}

static void sudo_counts_for_root_alone(void **state)
{
	need_root();
	const char *backups = backups_in(*state, 0755, 0755);
	assert_int_equal(chmod(*state, 0755), 0);
	assert_int_equal(chown(backups, SOMEBODY, 0), 0);
	setenv("SUDO_UID", "65534", 1);
	assert_int_equal(seteuid(65533), 0);
	struct error error = {0};
	enum status status = trust_check(backups, &error);
	assert_int_equal(seteuid(0), 0);
	unsetenv("SUDO_UID");
	assert_int_equal(status, STATUS_FAILED);
}

static void a_link_is_followed_to_what_it_leads_to(void **state)
{
	assert_int_equal(symlink("parent/backups", at(*state, "link")), 0);
	backups_in(*state, 0755, 0777);
	assert_refused(at(*state, "link"), "/parent/backups");
	assert_int_equal(chmod(at(*state, "parent/backups"), 0700), 0);
	assert_trusted(at(*state, "link"));
}

static void a_link_from_the_root_is_followed_from_there(void **state)
{
	const char *backups = backups_in(*state, 0755, 0777);
	assert_int_equal(symlink(backups, at(*state, "link")), 0);
	assert_refused(at(*state, "link"), "/parent/backups");
	assert_int_equal(chmod(backups, 0700), 0);
	assert_trusted(at(*state, "link"));
}

/* Whoever makes a folder of it later has to be able to write above it. */
static void there_is_no_way_through_a_file(void **state)
{
	const char *backups = backups_in(*state, 0755, 0700);
	write_file(at(backups, "file"), "");
	assert_int_equal(chmod(at(backups, "file"), 0666), 0);
	assert_trusted(at(backups, "file/below"));
	assert_int_equal(chmod(backups, 0777), 0);
	assert_refused(at(backups, "file/below"), "/parent/backups");
}

static void a_link_that_others_can_replace_is_refused(void **state)
{
	make_folder(at(*state, "backups"));
	make_folder(at(*state, "open"));
	assert_int_equal(chmod(at(*state, "open"), 0777), 0);
	assert_int_equal(symlink("../backups", at(*state, "open/link")), 0);
	assert_int_equal(symlink("open/link", at(*state, "link")), 0);
	assert_refused(at(*state, "link"), "/open");
}

static void a_link_of_somebody_else_is_refused(void **state)
{
	need_root();
	const char *backups = backups_in(*state, 0755, 0700);
	assert_int_equal(symlink(backups, at(*state, "link")), 0);
	assert_int_equal(lchown(at(*state, "link"), SOMEBODY, 0), 0);
	assert_refused(at(*state, "link"), "/link belongs to user ");
}

static void links_that_lead_to_each_other_end(void **state)
{
	struct error error = {0};
	assert_int_equal(symlink("b", at(*state, "a")), 0);
	assert_int_equal(symlink("a", at(*state, "b")), 0);
	assert_status(STATUS_FAILED, trust_check(at(*state, "a"), &error), &error);
	assert_non_null(strstr(error.message, "cannot follow the link"));
}

static void a_way_back_up_is_gone_as_it_stands(void **state)
{
	const char *backups = backups_in(*state, 0755, 0700);
	make_folder(at(*state, "open"));
	assert_int_equal(chmod(at(*state, "open"), 0777), 0);
	assert_trusted(at(backups, "../backups/"));
	make_folder(at(*state, "open/below"));
	assert_refused(at(*state, "open/below/../../parent/backups"), "/open");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(a_folder_of_ones_own_is_trusted),
		scratch_test(a_folder_that_everybody_can_write_to_is_refused),
		scratch_test(the_sticky_bit_of_the_folder_itself_does_not_help),
		scratch_test(a_folder_that_a_group_can_write_to_is_refused),
		scratch_test(a_group_of_the_owners_name_that_others_are_in_is_refused),
		scratch_test(the_group_of_the_owner_alone_may_write),
		scratch_test(an_access_control_list_that_cannot_be_read_is_not_taken_for_none),
		scratch_test(an_access_control_list_makes_others_of_the_owners_group),
		scratch_test(a_folder_above_that_everybody_can_write_to_is_refused),
		scratch_test(a_folder_above_with_a_sticky_bit_is_trusted),
		scratch_test(what_is_not_there_yet_is_judged_by_what_is_above_it),
		scratch_test(a_folder_of_somebody_else_is_refused),
		scratch_test(an_owner_without_a_name_is_told_by_number),
		scratch_test(a_folder_in_one_of_somebody_else_is_refused),
		scratch_test(who_called_sudo_is_trusted_by_root),
		scratch_test(sudo_counts_for_root_alone),
		scratch_test(a_link_is_followed_to_what_it_leads_to),
		scratch_test(a_link_from_the_root_is_followed_from_there),
		scratch_test(a_link_that_others_can_replace_is_refused),
		scratch_test(there_is_no_way_through_a_file),
		scratch_test(a_link_of_somebody_else_is_refused),
		scratch_test(links_that_lead_to_each_other_end),
		scratch_test(a_way_back_up_is_gone_as_it_stands),
	};
	unsetenv("SUDO_UID");
	return cmocka_run_group_tests_name("trust", tests, NULL, NULL);
}
