/* Names of users over the wire. */

#include "fixture.h"

#define RIGHT "neither '.' nor '..'"

static void dots(struct fixture *fixture)
{
    static const struct {
        const char *method;
        const char *path;
        const char *body;
        const char *param;
    } cases[] = {
        {"PUT", "/v1/users/%2E/memory/k", "{\"value\":1}", "user"},
        {"GET", "/v1/users/%2e%2e/memory", NULL, "user"},
        {"DELETE", "/v1/users/..", NULL, "user"},
        {"PUT", "/v1/users/ann/memory/.", "{\"value\":1}", "key"},
        {"PUT", "/v1/users/ann/memory", "{\"memory\":{\"..\":1}}", "memory"},
        {"POST", "/v1/threads", "{\"user_id\":\"..\"}", "user_id"},
        {"POST", "/v1/threads/search", "{\"query\":\"x\",\"user_id\":\".\"}", "user_id"},
        {"GET", "/v1/threads?user_id=..", NULL, "user_id"},
        {"POST", "/v1/threads/runs", "{\"assistant_id\":\"a\",\"user\":\".\"}", "user"},
        {"POST", "/v1/threads/runs", "{\"assistant_id\":\"a\",\"thread\":{\"user_id\":\".\"}}",
         "thread.user_id"},
        {"POST", "/v1/assistants/a/run", "{\"user\":\"..\"}", "user"},
    };
    const char *agent = new_assistant(fixture);

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        refused(fixture, 400, cases[i].param, "invalid_value", RIGHT,
                (struct call){cases[i].method, cases[i].path, cases[i].body, NULL, NULL});
    refused(fixture, 400, "user", "invalid_value", RIGHT,
            (struct call){"GET", show("/v1/assistants/%s/prompt?user=.", agent), NULL, NULL, NULL});
    refused(fixture, 400, "user_id", "invalid_value", RIGHT,
            (struct call){"POST", show("/v1/threads/%s", new_thread(fixture)),
                          "{\"user_id\":\".\"}", NULL, NULL});
    expect(fixture, 200, "PUT", "/v1/users/.../memory/.a", "{\"value\":1}");
}

Test(users, of_names_that_clients_take_out_of_urls_are_refused)
{
    with_api(dots);
}
