/* Assistants and runs whose specs are large: what is allowed, and what is kept of them. */

#include "fixture.h"

#include <stdlib.h>

#include "shared/agent/spec.h"
#include "shared/base/memory.h"

/* `before`, so many letters, `after`. Owned by the caller. */
static char *padded(const char *before, size_t letters, const char *after)
{
    size_t start = strlen(before);
    char *text = xmalloc(start + letters + strlen(after) + 1);

    memcpy(text, before, start);
    memset(text + start, 'x', letters);
    strcpy(text + start + letters, after);
    return text;
}

#define TOOL                                                                                       \
    "{\"model\":\"gpt-4o-mini\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","   \
    "\"parameters\":{\"type\":\"object\",\"description\":\""

/* An assistant of so many bytes and some hundred more. */
static char *assistant_of(size_t bytes)
{
    return padded(TOOL, bytes, "\"}}}]}");
}

static void refused_as_too_large(struct fixture *fixture, const char *path, const char *whose,
                                 const char *param, const char *body)
{
    refused(fixture, 400, param, "string_above_max_length",
            show("The %s is too large: as JSON it has", whose),
            (struct call){"POST", path, body, NULL, NULL});
    cr_assert(strstr(string_at(json_get(fixture->body, "error"), "message"),
                     "Expected at most 1048576 bytes in all."));
}

static void limited(struct fixture *fixture)
{
    char *fits = assistant_of(SPEC_BYTES_MAX - 1000);
    /* As large as a body may be here; the members that it does not have are stored, too. */
    char *over = assistant_of(SPEC_BYTES_MAX - strlen(TOOL) - 6);
    const char *assistant = new_assistant(fixture);
    const char *large;
    char *run;

    refused_as_too_large(fixture, "/v1/assistants", "assistant", "tools", over);
    refused_as_too_large(fixture, "/v1/assistants/check", "assistant", "tools", over);
    refused_as_too_large(fixture, show("/v1/assistants/%s", assistant), "assistant", "tools", over);
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM agent_versions"), 1);

    /* What a run brings along counts with what it has of its assistant. */
    large = show("%s", string_at(expect(fixture, 200, "POST", "/v1/assistants", fits), "id"));
    expect(fixture, 200, "POST", "/v1/threads/runs", show("{\"assistant_id\":\"%s\"}", large));
    run = padded(show("{\"assistant_id\":\"%s\",\"instructions\":\"", large), 2000, "\"}");
    refused_as_too_large(fixture, "/v1/threads/runs", "run", "tools", run);
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM runs"), 1);
    free(run);
    free(over);
    free(fits);
}

Test(large_specs, are_refused_beyond_a_megabyte)
{
    with_api(limited);
}

static void replayed(struct fixture *fixture)
{
    char *body = assistant_of(200000);
    const char *assistant =
        show("%s", string_at(expect(fixture, 200, "POST", "/v1/assistants", body), "id"));
    struct call call = {"POST", "/v1/threads/runs", show("{\"assistant_id\":\"%s\"}", assistant),
                        "Idempotency-Key: k1\r\n", NULL};
    const char *first;
    const char *thread;

    free(body);
    cr_assert_eq(http(fixture, call), 200);
    cr_assert(!header(fixture, "idempotency-replayed"));
    first = show("%s", string_at(fixture->body, "id"));
    thread = show("/v1/threads/%s", string_at(fixture->body, "thread_id"));
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM idempotency_keys"
                                  " WHERE status_code = 200 AND response IS NULL"),
                 1);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(http(fixture, call), 200);
        cr_assert_str_eq(string_at(fixture->body, "id"), first);
        cr_assert_str_eq(header(fixture, "idempotency-replayed"), "true");
    }
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM runs"), 1);

    /* What was made and is gone is not made again. */
    expect(fixture, 200, "DELETE", thread, NULL);
    for (int i = 0; i < 2; i++)
        refused(fixture, 404, NULL, NULL, "No run found", call);
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM runs"), 0);
}

Test(large_specs, are_not_kept_with_an_idempotency_key_and_the_run_is_found_by_it)
{
    with_api(replayed);
}
