/* Names of keys. */

#include <criterion/criterion.h>

#include "shared/queue/queue_internal.h"

Test(queue_keys, all_keys_of_a_shard_share_its_hash_tag)
{
    struct queue_keys keys;

    queue_keys_of(7, &keys);
    cr_assert_str_eq(keys.names[0], "q:{s07}:gen");
    cr_assert_str_eq(keys.names[1], "q:{s07}:p0");
    cr_assert_str_eq(keys.names[3], "q:{s07}:p2");
    cr_assert_str_eq(keys.names[4], "q:{s07}:x");
    cr_assert_eq(keys.texts[0].len, 11);
}

Test(queue_keys, a_lane_key_is_read_back)
{
    for (int shard = 0; shard < QUEUE_SHARDS_MAX; shard++) {
        for (int lane = 0; lane < QUEUE_LANES; lane++) {
            char key[QUEUE_KEY_SIZE];
            int got_shard = -1, got_lane = -1;

            queue_lane_key(shard, lane, key);
            cr_assert(queue_lane_parse(text_of(key), &got_shard, &got_lane));
            cr_assert_eq(got_shard, shard);
            cr_assert_eq(got_lane, lane);
        }
    }
}

Test(queue_keys, other_names_are_no_lanes)
{
    static const char *const names[] = {"",           "q:{s00}:p3", "q:{s00}:p",   "q:{s00}:gen",
                                        "q:{s0a}:p0", "Q:{s00}:p0", "q:{s000}:p0", "q:[s00]:p0",
                                        "q:{s00}:q0", "q:{s-1}:p0", "q:{s00}:",    "q:{s00}:xx",
                                        "q:{s00}:y"};
    int shard = -1, lane = -1;

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        cr_assert(!queue_lane_parse(text_of(names[i]), &shard, &lane), "%s", names[i]);
    cr_assert_eq(shard, -1);
}

Test(queue_keys, a_worker_id_of_any_size_fits_its_channel)
{
    char channel[QUEUE_CHANNEL_SIZE];

    queue_control_channel(INT64_MIN, channel);
    cr_assert_str_eq(channel, "ctl:{-9223372036854775808}");
}
