/* Urls: what is understood and what is refused. */

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "shared/redis/redis_internal.h"

static void parse(const char *url, struct redis_target *target)
{
    struct error err = {0};

    cr_assert_eq(redis_target_parse(url, target, &err), 0, "%s: %s", url, err.text);
}

Test(redis_target, a_host_alone_gets_the_default_port_and_database)
{
    struct redis_target target;

    parse("redis://cache.internal", &target);
    cr_assert_str_eq(target.host, "cache.internal");
    cr_assert_eq(target.port, 6379);
    cr_assert_eq(target.db, 0);
    cr_assert_null(target.user);
    cr_assert_null(target.password);
    redis_target_deinit(&target);
}

Test(redis_target, every_part_of_a_url_is_understood)
{
    struct redis_target target;

    parse("redis://me:s%40c%3Aret@10.0.0.1:7000/5", &target);
    cr_assert_str_eq(target.host, "10.0.0.1");
    cr_assert_eq(target.port, 7000);
    cr_assert_eq(target.db, 5);
    cr_assert_str_eq(target.user, "me");
    cr_assert_str_eq(target.password, "s@c:ret");
    redis_target_deinit(&target);
}

Test(redis_target, a_password_may_stand_without_a_user_and_hold_colons)
{
    struct redis_target target;

    parse("redis://:a:b@h:1/", &target);
    cr_assert_null(target.user);
    cr_assert_str_eq(target.password, "a:b");
    redis_target_deinit(&target);
}

Test(redis_target, ipv6_hosts_are_written_in_brackets)
{
    struct redis_target target;

    parse("redis://[::1]:6380", &target);
    cr_assert_str_eq(target.host, "::1");
    cr_assert_eq(target.port, 6380);
    redis_target_deinit(&target);
    parse("redis://[fe80::2]/3", &target);
    cr_assert_str_eq(target.host, "fe80::2");
    cr_assert_eq(target.port, 6379);
    cr_assert_eq(target.db, 3);
    redis_target_deinit(&target);
}

Test(redis_target, unix_sockets_may_name_a_database_and_credentials)
{
    struct redis_target target;

    parse("unix:///run/redis.sock", &target);
    cr_assert_str_eq(target.host, "/run/redis.sock");
    cr_assert_eq(target.db, 0);
    redis_target_deinit(&target);
    parse("unix://u:p@/run/redis.sock?db=12", &target);
    cr_assert_str_eq(target.host, "/run/redis.sock");
    cr_assert_eq(target.db, 12);
    cr_assert_str_eq(target.user, "u");
    redis_target_deinit(&target);
}

Test(redis_target, malformed_urls_are_refused_without_showing_the_password)
{
    static const char *const urls[] = {
        "",
        "localhost:6379",
        "http://h",
        "rediss://h",
        "redis://",
        "redis://:6379",
        "redis://h:0",
        "redis://h:65536",
        "redis://h:",
        "redis://h:6379x",
        "redis://h/x",
        "redis://h/-1",
        "redis://h/99999999999",
        "redis://user@h",
        "redis://u:hunter2%2@h",
        "redis://u:hunter2%zz@h",
        "redis://u:hunter2%00@h",
        "redis://u:hunter2/x@h",
        "redis://[::1",
        "redis://[::1]x",
        "redis://[]:1",
        "redis://a b",
        "unix://",
        "unix:///",
        "unix://relative",
        "unix:///s?db=",
        "unix:///s?db=x",
        "unix:///s?timeout=1",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(urls); i++) {
        struct redis_target target = {0};
        struct error err = {0};

        cr_assert_eq(redis_target_parse(urls[i], &target, &err), -E_INVALID, "%s", urls[i]);
        cr_assert(strlen(err.text) > 10);
        cr_assert_null(strstr(err.text, "hunter2"), "%s", err.text);
        cr_assert_null(target.host);
    }
}

Test(redis_target, a_missing_url_is_refused)
{
    struct redis_target target;

    cr_assert_eq(redis_target_parse(NULL, &target, NULL), -E_INVALID);
}

Test(redis_target, a_socket_path_that_the_kernel_has_no_room_for_is_refused)
{
    char url[160] = "unix:///";
    struct redis_target target;

    memset(url + strlen(url), 'a', 120);
    cr_assert_eq(redis_target_parse(url, &target, NULL), -E_INVALID);
}
