/* Search engines in the configuration. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/base/error.h"
#include "shared/config/config.h"
#include "tests/unit/support/config_of.h"

static char path[64];

static int load(const char *text, struct config **out, struct error *err)
{
    static char key[] = "BRAVE_API_KEY=from-environment";
    char *environment[] = {key, NULL};
    struct config_flags flags = {.file = path};
    int r;

    config_write(text, path);
    r = config_load(&flags, environment, out, err);
    unlink(path);
    return r;
}

Test(search_engines, are_a_list_in_the_order_in_which_they_are_asked)
{
    CLEANUP(config_freep) struct config *config = NULL;
    struct error err = {0};
    char *key = NULL;

    cr_assert_eq(load("web_search:\n"
                      "  - {kind: searxng, name: own, base_url: 'http://127.0.0.1:8888/'}\n"
                      "  - {kind: brave, api_key: '${BRAVE_API_KEY}', interval_ms: 1000}\n"
                      "  - {kind: tavily, api_key_file: /nowhere/key, requests_per_minute: 60, "
                      "timeout_ms: 5000}\n"
                      "read_page: {robots: agent}\n",
                      &config, &err),
                 0, "%s", err.text);
    cr_assert_eq(config->web_search_count, 3);
    cr_assert_str_eq(config->web_search[0].name, "own");
    cr_assert_str_eq(config->web_search[0].base_url, "http://127.0.0.1:8888");
    cr_assert_eq(config->web_search[0].timeout_ms, 10000);
    cr_assert_str_eq(config->web_search[1].name, "brave");
    cr_assert_str_eq(config->web_search[1].base_url, "https://api.search.brave.com");
    cr_assert_eq(config->web_search[1].interval_ms, 1000);
    cr_assert_eq(config->web_search[2].requests_per_minute, 60);
    cr_assert_str_eq(config->read_page.robots, "agent");
    cr_assert_eq(config_search_key(&config->web_search[1], &key, &err), 0);
    cr_assert_str_eq(key, "from-environment");
    free(key);
    cr_assert_lt(config_search_key(&config->web_search[2], &key, &err), 0);
    cr_assert(strstr(err.text, "tavily"), "%s", err.text);
}

Test(search_engines, have_keys_in_files)
{
    struct config_search_engine engine = {.name = "e", .api_key = "", .api_key_file = path};
    struct error err = {0};
    char *key = NULL;

    config_write("the-key\n", path);
    cr_assert_eq(config_search_key(&engine, &key, &err), 0, "%s", err.text);
    cr_assert_str_eq(key, "the-key");
    free(key);
    unlink(path);
    config_write("  \n", path);
    cr_assert_eq(config_search_key(&engine, &key, &err), -E_INVALID);
    unlink(path);
    config_write("two\nlines\n", path);
    cr_assert_eq(config_search_key(&engine, &key, &err), -E_INVALID);
    cr_assert_null(strstr(err.text, "two"), "a key is not shown: %s", err.text);
    unlink(path);
}

Test(search_engines, are_refused_with_what_is_wrong)
{
    static const struct {
        const char *text;
        const char *says;
    } rows[] = {
        {"web_search: [{kind: bing, api_key: x}]", "web_search[0].kind must be searxng, brave or"},
        {"web_search: [{name: x}]", "web_search[0].kind must be searxng, brave or tavily"},
        {"web_search: [{kind: searxng}]", "must have a base_url"},
        {"web_search: [{kind: brave}]", "must have an api_key, or an api_key_file"},
        {"web_search: [{kind: brave, api_key: a, api_key_file: b}]", "must not be there beside"},
        {"web_search: [{kind: searxng, base_url: 'ftp://x'}]", "web_search[0].base_url"},
        {"web_search: [{kind: brave, api_key: a}, {kind: brave, api_key: b}]",
         "web_search[1].name is there already"},
        {"web_search: [{kind: brave, api_key: a, interval_ms: -1}]", "interval_ms must be 0 to"},
        {"web_search: [{kind: brave, api_key: a, timeout_ms: 1}]", "timeout_ms must be 100 to"},
        {"web_search: [{kind: brave, key: a}]", "there is no such setting"},
        {"web_search: {kind: brave}", "must be a list"},
        {"web_search: [{kind: searxng, base_url: 'http://127.0.0.1:8888/search'}]",
         "web_search[0].base_url must be without \"/search\", which is added to it"},
        {"read_page: {robots: never}", "read_page.robots must be obey, agent or ignore"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct config *config = NULL;
        struct error err = {0};

        cr_assert_eq(load(rows[i].text, &config, &err), -E_INVALID, "%s", rows[i].text);
        cr_assert(strstr(err.text, rows[i].says), "%s: %s", rows[i].text, err.text);
    }
}
