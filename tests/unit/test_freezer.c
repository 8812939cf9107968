/* runtimes/freezer: where the switch of a container is. */
#include "support.h"

#include "runtimes/freezer.h"

#define ID    "118827c789917ce858919eb2b6322f166d4516e3d1211ecb74c5568fd4b398e7"
#define OTHER "4432ce5a5c1fa15795d62d0d31a7fc92a073c7bb91d4c70d9a84ca5bd69cc502"

static void assert_folder(const char *cgroup, const char *expected, bool expected_old)
{
	char path[256];
	bool old = !expected_old;
	assert_true(freezer_folder(cgroup, ID, path, sizeof path, &old));
	assert_string_equal(path, expected);
	assert_int_equal(old, expected_old);
}

static void version_2_has_one_group_for_all(void **state)
{
	(void)state;
	assert_folder("0::/docker/" ID "\n", "/sys/fs/cgroup/docker/" ID, false);
}

static void a_group_of_systemd_is_named_otherwise(void **state)
{
	(void)state;
	assert_folder("0::/system.slice/docker-" ID ".scope\n", "/sys/fs/cgroup/system.slice/docker-" ID ".scope", false);
}

static void a_group_that_the_container_has_made_is_not_wanted(void **state)
{
	(void)state;
	assert_folder("0::/docker/" ID "/init.scope\n", "/sys/fs/cgroup/docker/" ID, false);
}

static void version_1_has_a_freezer_of_its_own(void **state)
{
	(void)state;
	assert_folder("8:pids:/docker/" ID "\n6:freezer:/docker/" ID "\n1:cpu:/docker/" ID "\n",
				  "/sys/fs/cgroup/freezer/docker/" ID, true);
}

static void version_1_is_used_where_there_are_both(void **state)
{
	(void)state;
	assert_folder("0::/docker/" ID "\n6:freezer:/docker/" ID "\n", "/sys/fs/cgroup/freezer/docker/" ID, true);
	assert_folder("6:freezer:/docker/" ID "\n0::/docker/" ID "\n", "/sys/fs/cgroup/freezer/docker/" ID, true);
}

static void the_freezer_may_share_its_group(void **state)
{
	(void)state;
	assert_folder("3:cpuset,freezer,pids:/docker/" ID "\n", "/sys/fs/cgroup/freezer/docker/" ID, true);
}

static void a_controller_whose_name_only_begins_so_is_none(void **state)
{
	(void)state;
	char path[256];
	bool old = false;
	assert_false(freezer_folder("3:freezers,unfreezer:/docker/" ID "\n", ID, path, sizeof path, &old));
}

static void a_process_of_another_container_is_none(void **state)
{
	(void)state;
	char path[256];
	bool old = false;
	assert_false(freezer_folder("0::/docker/" OTHER "\n", ID, path, sizeof path, &old));
	assert_false(freezer_folder("0::/\n", ID, path, sizeof path, &old));
	assert_false(freezer_folder("", ID, path, sizeof path, &old));
}

static void a_path_that_has_no_room_is_none(void **state)
{
	(void)state;
	char path[32];
	bool old = false;
	assert_false(freezer_folder("0::/docker/" ID "\n", ID, path, sizeof path, &old));
}

static void a_container_that_does_not_run_cannot_be_frozen(void **state)
{
	(void)state;
	assert_false(freezer_set(OTHER OTHER, true));
	assert_false(freezer_set("", true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_2_has_one_group_for_all),
		cmocka_unit_test(a_group_of_systemd_is_named_otherwise),
		cmocka_unit_test(a_group_that_the_container_has_made_is_not_wanted),
		cmocka_unit_test(version_1_has_a_freezer_of_its_own),
		cmocka_unit_test(version_1_is_used_where_there_are_both),
		cmocka_unit_test(the_freezer_may_share_its_group),
		cmocka_unit_test(a_controller_whose_name_only_begins_so_is_none),
		cmocka_unit_test(a_process_of_another_container_is_none),
		cmocka_unit_test(a_path_that_has_no_room_is_none),
		cmocka_unit_test(a_container_that_does_not_run_cannot_be_frozen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
