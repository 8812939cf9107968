/* commands/session: a backup folder that others can change. */
#include "support.h"

#include "catalog/catalog.h"
#include "commands/session.h"

/* Between session_guard and the lock somebody else may have made the folder, where that is. */
static void a_lock_is_not_kept_in_a_folder_that_others_can_change(void **state)
{
	struct error error = {0};
	int lock = -1;
	struct session session = {.backup_folder = *state};
	assert_int_equal(chmod(*state, 0777), 0);
	assert_status(STATUS_FAILED, session_lock(&session, &lock, &error), &error);
	assert_int_equal(lock, -1);
	assert_ok(catalog_lock(*state, &lock, &error), &error);
	catalog_unlock(&lock);
}

static void a_lock_is_taken_in_a_shared_folder_that_is_allowed(void **state)
{
	struct error error = {0};
	int lock = -1;
	struct session session = {.backup_folder = *state, .shared_allowed = true};
	assert_int_equal(chmod(*state, 0777), 0);
	assert_ok(session_lock(&session, &lock, &error), &error);
	catalog_unlock(&lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(a_lock_is_not_kept_in_a_folder_that_others_can_change),
		scratch_test(a_lock_is_taken_in_a_shared_folder_that_is_allowed),
	};
	return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
