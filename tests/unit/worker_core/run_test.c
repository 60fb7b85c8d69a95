/* Runs in work, found by their ids. */

#include <criterion/criterion.h>

#include "worker/run/run.h"
#include "worker/state.h"

#define COUNT 300

static struct uuid id_of(size_t i)
{
    return (struct uuid){{(uint8_t)(i * 37), (uint8_t)(i / 256), [15] = (uint8_t)i}};
}

Test(runs, in_work_are_found_by_their_ids_and_others_are_not)
{
    static struct run_task tasks[COUNT];
    static struct worker worker;
    struct run_index index;

    list_init(&worker.runs);
    run_index_init(&index, &worker);
    cr_assert_null(run_index_find(&index, id_of(0)), "there is none");
    run_index_deinit(&index);
    for (size_t i = 0; i < COUNT; i++) {
        tasks[i].claim.row.lease.run = id_of(i);
        list_add(&worker.runs, &tasks[i].link);
        worker.busy++;
    }
    run_index_init(&index, &worker);
    for (size_t i = 0; i < COUNT; i++)
        cr_assert_eq(run_index_find(&index, id_of(i)), &tasks[i], "%zu", i);
    cr_assert_null(run_index_find(&index, id_of(COUNT)));
    cr_assert_null(run_index_find(&index, (struct uuid){{0xFF, 0xFF}}));
    run_index_deinit(&index);
}
