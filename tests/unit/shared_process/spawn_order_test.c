/* Frames between a worker and its helper. */

#include <criterion/criterion.h>

#include <string.h>

#include "shared/base/error.h"
#include "shared/process/spawn_order.h"

static const char *const argv[] = {"/bin/true", "", "a b", NULL};
static const char *const envp[] = {"A=1", NULL};

static void encode(struct buf *out)
{
    const struct spawn_order order = {
        .id = 5,
        .argv = argv,
        .envp = envp,
        .fds = {1},
        .fd_numbers = {9},
        .fd_count = 1,
        .limits = {{1, 2}},
        .limit_count = 1,
        .first_uid = 59100,
        .uid_count = 7,
        .groups = {"/sys/fs/cgroup/x"},
        .group_count = 1,
        .group_memory_bytes = 1 << 20,
    };

    buf_init(out, 0);
    cr_assert_eq(spawn_order_encode(&order, out, NULL), 0);
}

Test(spawn_order, what_is_written_is_read)
{
    CLEANUP(buf_deinit) struct buf frame;
    static struct spawn_received got;
    int fd = 77;

    encode(&frame);
    cr_assert_eq(spawn_order_decode(buf_text(&frame), &fd, 1, &got, NULL), 0);
    cr_assert_eq(got.order.id, 5);
    cr_assert_str_eq(got.order.argv[2], "a b");
    cr_assert_null(got.order.argv[3]);
    cr_assert_str_eq(got.order.envp[0], "A=1");
    cr_assert_null(got.order.envp[1]);
    cr_assert_str_eq(got.order.groups[0], "/sys/fs/cgroup/x");
    cr_assert_eq(got.order.fds[0], 77);
    cr_assert_eq(got.order.fd_numbers[0], 9);
    cr_assert_eq(got.order.limits[0].value, 2);
}

Test(spawn_order, a_frame_that_was_cut_is_refused)
{
    CLEANUP(buf_deinit) struct buf frame;
    static struct spawn_received got;
    int fd = 77;

    encode(&frame);
    for (size_t len = 0; len < frame.len; len++)
        cr_assert_eq(spawn_order_decode((struct text){frame.ptr, len}, &fd, 1, &got, NULL),
                     -E_PROTOCOL, "%zu", len);
    cr_assert_eq(spawn_order_decode(buf_text(&frame), &fd, 0, &got, NULL), -E_PROTOCOL);
}

/* Each byte in turn is made something else: it is read or refused, and nothing is touched that is
 * not the frame's (the sanitizers look). */
Test(spawn_order, a_frame_with_a_wrong_byte_does_no_harm)
{
    CLEANUP(buf_deinit) struct buf frame;
    static struct spawn_received got;
    int fd = 77;

    encode(&frame);
    for (size_t at = 0; at < frame.len; at++)
        for (int value = 0; value < 256; value += 51) {
            char before = frame.ptr[at];

            frame.ptr[at] = (char)value;
            if (spawn_order_decode(buf_text(&frame), &fd, 1, &got, NULL) == 0 && !got.kills)
                cr_assert_leq(strlen(got.order.argv[0]), frame.len);
            frame.ptr[at] = before;
        }
}

Test(spawn_order, too_many_arguments_are_refused)
{
    CLEANUP(buf_deinit) struct buf frame;
    const char *many[SPAWN_STRINGS_MAX + 2];
    struct spawn_order order = {.argv = many};

    for (size_t i = 0; i <= SPAWN_STRINGS_MAX; i++)
        many[i] = "x";
    many[SPAWN_STRINGS_MAX + 1] = NULL;
    buf_init(&frame, 0);
    cr_assert_eq(spawn_order_encode(&order, &frame, NULL), -E_LIMIT);
}
