/* robots.txt: RFC 9309, with its own examples, and the cache. */

#include <criterion/criterion.h>
#include <stdio.h>

#include "worker/tools/web/robots.h"
#include "worker/tools/web/robots_cache.h"

static bool allowed(const char *file, const char *path)
{
    struct robots robots;
    bool result;

    robots_parse(text_of(file), &robots);
    result = robots_allow(&robots, text_of(path));
    robots_deinit(&robots);
    return result;
}

Test(robots, allow_what_nothing_forbids)
{
    cr_assert(allowed("", "/"));
    cr_assert(allowed("User-agent: *\nDisallow:\n", "/a"));
    cr_assert(allowed("<html>not found</html>", "/a"));
    cr_assert(allowed("Disallow: /\n", "/a"), "a rule of no group is none");
    cr_assert(allowed("User-agent: other\nDisallow: /\n", "/a"));
}

Test(robots, forbid_by_the_group_that_names_us_else_by_that_of_all)
{
    static const char file[] = "User-agent: *\nDisallow: /all\n\nUser-agent: Penstock\n"
                               "Disallow: /ours\n";

    cr_assert(allowed(file, "/all"));
    cr_assert_not(allowed(file, "/ours"));
    cr_assert_not(allowed("user-agent: penstock/2.0\ndisallow: /\n", "/x"));
    cr_assert(allowed("User-agent: penstocks\nDisallow: /\n", "/x"));
    cr_assert(allowed("User-agent: *\nDisallow: /\nUser-agent: penstock\nAllow:\n", "/x"),
              "a group of ours without rules forbids nothing");
}

Test(robots, put_groups_of_one_name_together)
{
    static const char file[] = "User-agent: a\nUser-agent: penstock\nDisallow: /one\n"
                               "User-agent: b\nDisallow: /other\n"
                               "User-agent: penstock\nDisallow: /two\n";

    cr_assert_not(allowed(file, "/one"));
    cr_assert_not(allowed(file, "/two"));
    cr_assert(allowed(file, "/other"));
}

Test(robots, decide_by_the_longest_rule_and_allow_wins)
{
    static const char file[] = "User-agent: *\nAllow: /example/page/\n"
                               "Disallow: /example/page/disallowed.gif\nDisallow: /example/\n"
                               "Allow: /same\nDisallow: /same\n";

    cr_assert(allowed(file, "/example/page/x"));
    cr_assert_not(allowed(file, "/example/page/disallowed.gif"));
    cr_assert_not(allowed(file, "/example/y"));
    cr_assert(allowed(file, "/same"));
    cr_assert(allowed("User-agent: *\nDisallow: /\n", "/robots.txt"));
}

Test(robots, know_stars_and_the_end)
{
    static const struct {
        const char *pattern;
        const char *path;
        bool matches;
    } rows[] = {
        {"/*.gif$", "/a/b.gif", true}, {"/*.gif$", "/a/b.gif?x", false},
        {"/a*b*c", "/axxbyyc", true},  {"/a*b*c", "/acb", false},
        {"*", "/any", true},           {"*/x", "/a/x", true},
        {"/a$", "/a", true},           {"/a$", "/ab", false},
        {"/a*$", "/abc", true},        {"/*a$", "/aba", true},
        {"/p?q=1", "/p?q=1&r", true},  {"/p?q=1", "/p", false},
        {"/ab*ab$", "/ab", false},     {"/A", "/a", false},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char file[128];

        snprintf(file, sizeof(file), "User-agent: *\nDisallow: %s\n", rows[i].pattern);
        cr_assert_eq(allowed(file, rows[i].path), !rows[i].matches, "%s %s", rows[i].pattern,
                     rows[i].path);
    }
}

Test(robots, take_spellings_of_one_path_for_the_same)
{
    cr_assert_not(
        allowed("User-agent: *\nDisallow: /foo/bar/\xe3\x83\x84\n", "/foo/bar/%E3%83%84"));
    cr_assert_not(allowed("User-agent: *\nDisallow: /foo/bar/%e3%83%84\n", "/foo/bar/%E3%83%84"));
    cr_assert_not(allowed("User-agent: *\nDisallow: /foo/bar/%62%61%7A\n", "/foo/bar/baz"));
    cr_assert_not(allowed("User-agent: *\nDisallow: /foo\n", "/%66oo"));
    cr_assert(allowed("User-agent: *\nDisallow: /a%2Fb\n", "/a/b"));
}

Test(robots, read_lines_however_they_end_and_pass_over_others)
{
    cr_assert_not(
        allowed("\xef\xbb\xbfUSER-AGENT : *\r\nSitemap: x\r\nDisallow : /a # why\r\n", "/a"));
    cr_assert_not(allowed("User-agent: *\rDisallow: /a\r", "/a"));
    cr_assert_not(allowed("User-agent: *\nCrawl-delay: 5\nDisallow: /a", "/a"));
}

Test(robots, of_half_a_megabyte_are_read_and_matched_in_time)
{
    CLEANUP(buf_deinit) struct buf file;
    CLEANUP(buf_deinit) struct buf path;
    struct robots robots;

    buf_init(&file, 0);
    buf_init(&path, 0);
    buf_add_string(&file, "User-agent: *\n");
    while (file.len < ROBOTS_BYTES_MAX - 100)
        buf_add_string(&file, "Disallow: /*a*a*a*b\n");
    buf_add_string(&file, "Disallow: /last\n");
    buf_add_char(&path, '/');
    while (path.len < 2000)
        buf_add_char(&path, 'a');
    robots_parse(buf_text(&file), &robots);
    cr_assert(robots_allow(&robots, buf_text(&path)));
    cr_assert_leq(robots.count, ROBOTS_RULES_MAX);
    robots_deinit(&robots);
}

static void add(struct robots_cache *cache, const char *origin, const char *file, bool forbidden)
{
    struct robots robots;

    robots_parse(text_of(file), &robots);
    cr_assert_not_null(robots_cache_add(cache, text_of(origin), &robots, forbidden, 1000));
}

Test(robots_cache, knows_an_origin_for_an_hour_and_a_failure_for_a_minute)
{
    struct robots_cache cache;

    robots_cache_init(&cache);
    add(&cache, "https://a:443", "User-agent: *\nDisallow: /x\n", false);
    add(&cache, "https://b:443", "", true);
    cr_assert_null(robots_cache_find(&cache, TEXT("https://c:443"), 1000));
    cr_assert_not(robots_cache_find(&cache, TEXT("https://a:443"), 1000)->forbidden);
    cr_assert(robots_cache_find(&cache, TEXT("https://b:443"), 1000)->forbidden);
    cr_assert_null(robots_cache_find(&cache, TEXT("https://b:443"), 1000 + ROBOTS_UNKNOWN_MS));
    cr_assert_not_null(robots_cache_find(&cache, TEXT("https://a:443"), 999 + ROBOTS_KNOWN_MS));
    cr_assert_null(robots_cache_find(&cache, TEXT("https://a:443"), 1000 + ROBOTS_KNOWN_MS));
    robots_cache_deinit(&cache);
}

Test(robots_cache, is_bounded_by_number_and_by_bytes)
{
    CLEANUP(buf_deinit) struct buf file;
    struct robots_cache cache;
    char origin[64];

    robots_cache_init(&cache);
    for (int i = 0; i < ROBOTS_CACHE_ORIGINS + 10; i++) {
        snprintf(origin, sizeof(origin), "https://host%d:443", i);
        add(&cache, origin, "", false);
    }
    cr_assert_eq(cache.entries.count, ROBOTS_CACHE_ORIGINS);
    cr_assert_null(robots_cache_find(&cache, TEXT("https://host0:443"), 1000));
    buf_init(&file, 0);
    buf_add_string(&file, "User-agent: *\n");
    while (file.len < ROBOTS_BYTES_MAX)
        buf_add_string(&file, "Disallow: /some/path\n");
    for (int i = 0; i < 40; i++) {
        snprintf(origin, sizeof(origin), "https://large%d:443", i);
        add(&cache, origin, buf_string(&file), false);
        cr_assert_leq(cache.bytes, ROBOTS_CACHE_BYTES);
    }
    cr_assert_not_null(robots_cache_find(&cache, TEXT("https://large39:443"), 1000));
    cr_assert_null(robots_cache_find(&cache, TEXT("https://large0:443"), 1000));
    robots_cache_deinit(&cache);
}
