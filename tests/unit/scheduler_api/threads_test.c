/* The life of threads and messages over the wire. */

#include <stdio.h>

#include "fixture.h"

static void thread_life(struct fixture *fixture)
{
    struct json_object *t =
        expect(fixture, 200, "POST", "/v1/threads",
               "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\","
               "\"content\":\"b\"}],\"metadata\":{\"k\":\"v\"}}");
    const char *path = show("/v1/threads/%s", string_at(t, "id"));

    cr_assert_str_eq(string_at(t, "object"), "thread");
    cr_assert(json_has(t, "tool_resources") && json_get(t, "created_at"));
    t = expect(fixture, 200, "POST", path, "{\"metadata\":{\"k\":\"w\"}}");
    cr_assert_str_eq(string_at(json_get(t, "metadata"), "k"), "w");
    t = expect(fixture, 200, "POST", path, "{}");
    cr_assert_str_eq(string_at(json_get(t, "metadata"), "k"), "w");
    t = expect(fixture, 200, "POST", path, "{\"metadata\":null}");
    cr_assert_eq(json_object_object_length(json_get(t, "metadata")), 0);
    cr_assert_eq(json_object_array_length(
                     json_get(expect(fixture, 200, "GET", "/v1/threads", NULL), "data")),
                 1);
    t = expect(fixture, 200, "DELETE", path, NULL);
    cr_assert_str_eq(string_at(t, "object"), "thread.deleted");
    refused(fixture, 404, NULL, NULL, "No thread found with id 'thread_",
            (struct call){"GET", path, NULL, NULL, NULL});
    refused(fixture, 404, NULL, NULL, "No thread found",
            (struct call){"GET", show("%s/messages", path), NULL, NULL, NULL});
    expect(fixture, 200, "POST", "/v1/threads", NULL); /* no body at all, as SDKs send it */
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM messages"), 0);
}

Test(threads, are_made_changed_listed_and_deleted)
{
    with_api(thread_life);
}

static void message_life(struct fixture *fixture)
{
    static const char *const members[] = {
        "id",           "object",        "created_at", "thread_id",   "status",
        "completed_at", "incomplete_at", "role",       "content",     "incomplete_details",
        "assistant_id", "run_id",        "metadata",   "attachments",
    };
    const char *list = show("/v1/threads/%s/messages", new_thread(fixture));
    struct json_object *m = expect(fixture, 200, "POST", list,
                                   "{\"role\":\"user\",\"content\":"
                                   "\"Grüße 👋\\n\\\"\"}");
    struct json_object *part = json_object_array_get_idx(json_get(m, "content"), 0);
    const char *path;
    const char *first;

    for (size_t i = 0; i < ARRAY_LENGTH(members); i++)
        cr_assert(json_has(m, members[i]), "%s", members[i]);
    cr_assert_str_eq(string_at(json_get(part, "text"), "value"), "Grüße 👋\n\"");
    cr_assert_eq(json_object_array_length(json_path(part, "text", "annotations", NULL)), 0);
    cr_assert_str_eq(string_at(m, "status"), "completed");
    path = show("%s/%s", list, string_at(m, "id"));

    m = expect(
        fixture, 200, "POST", list,
        "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"see\"},{\"type\":"
        "\"image_url\",\"image_url\":{\"url\":\"https://x.org/a.png\",\"detail\":\"low\"}}]}");
    part = json_object_array_get_idx(json_get(m, "content"), 1);
    cr_assert_str_eq(string_at(json_get(part, "image_url"), "detail"), "low");

    m = expect(fixture, 200, "POST", path, "{\"metadata\":{\"a\":\"b\"}}");
    cr_assert_str_eq(string_at(json_get(m, "metadata"), "a"), "b");
    expect(fixture, 200, "GET", path, NULL);
    m = expect(fixture, 200, "GET", show("%s?order=asc&limit=1", list), NULL);
    first = show("%s", string_at(m, "last_id"));
    m = expect(fixture, 200, "GET", show("%s?order=asc&after=%s", list, first), NULL);
    cr_assert_eq(json_object_array_length(json_get(m, "data")), 2);
    m = expect(fixture, 200, "DELETE", path, NULL);
    cr_assert_str_eq(string_at(m, "object"), "thread.message.deleted");
    refused(fixture, 404, NULL, NULL, "No message found with id 'msg_",
            (struct call){"GET", path, NULL, NULL, NULL});
    /* Paging goes on behind what was deleted; what is in another thread is no cursor. */
    expect(fixture, 200, "GET", show("%s?after=%s", list, strrchr(path, '/') + 1), NULL);
    m = expect(fixture, 200, "GET", show("/v1/threads/%s/messages", new_thread(fixture)), NULL);
    path = show("%s?after=%s", list, string_at(m, "last_id"));
    refused(fixture, 400, "after", "invalid_value", "is not in this list",
            (struct call){"GET", path, NULL, NULL, NULL});
}

Test(messages, are_added_read_labelled_and_deleted)
{
    with_api(message_life);
}

static void message_refusals(struct fixture *fixture)
{
    static const struct {
        const char *body;
        const char *param;
        const char *code;
        const char *message;
    } cases[] = {
        {"{\"content\":\"x\"}", "role", "missing_required_parameter", "'role'"},
        {"{\"role\":\"user\"}", "content", "missing_required_parameter", "'content'"},
        {"{\"role\":\"tool\",\"content\":\"x\"}", "role", "invalid_value",
         "Invalid value: 'tool'. Supported values are: 'user', 'assistant', and 'system'."},
        {"{\"role\":\"user\",\"content\":\"\"}", "content", "string_below_min_length",
         "an empty string"},
        {"{\"role\":\"user\",\"content\":null}", "content", "invalid_type", "a string or an array"},
        {"{\"role\":\"user\",\"content\":[]}", "content", "array_below_min_length", "too short"},
        {"{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":{\"value\":\"x\"}}]}",
         "content[0].text", "invalid_type", "expected a string, but got an object"},
        {"{\"role\":\"user\",\"content\":[{\"type\":\"image_file\"}]}", "content[0].image_file",
         "missing_required_parameter", "Missing"},
        {"{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"file:///"
         "etc/passwd\"}}]}",
         "content[0].image_url.url", "invalid_value", "https://"},
        {"{\"role\":\"user\",\"content\":\"x\",\"attachments\":[{\"file_id\":\"file-1\"}]}",
         "attachments[0].tools", "missing_required_parameter", "attachments[0].tools"},
    };
    const char *path = show("/v1/threads/%s/messages", new_thread(fixture));
    int64_t before = sql_int(fixture, "SELECT count(*) FROM messages");

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        refused(fixture, 400, cases[i].param, cases[i].code, cases[i].message,
                (struct call){"POST", path, cases[i].body, NULL, NULL});
    refused(
        fixture, 400, "messages[0].role", "missing_required_parameter", "messages[0].role",
        (struct call){"POST", "/v1/threads", "{\"messages\":[{\"content\":\"x\"}]}", NULL, NULL});
    refused(fixture, 404, NULL, NULL, "No thread found",
            (struct call){"POST", path, "{\"role\":\"user\",\"content\":\"x\"}", NULL,
                          fixture->other_key});
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM messages"), before);
    cr_assert_eq(sql_int(fixture, "SELECT count(*) FROM threads"), 1);
}

Test(messages, that_are_wrong_are_refused_and_nothing_changes)
{
    with_api(message_refusals);
}

static void list_refusals(struct fixture *fixture)
{
    static const struct {
        const char *query;
        const char *param;
        const char *code;
        const char *message;
    } cases[] = {
        {"metadata[k]=1&metadata%5Bk%5D=2", "metadata[k]", "invalid_value", "'metadata[k]' twice"},
        {"metadata[]=x", "metadata[]", "invalid_value", "metadata[KEY]=VALUE"},
        {"metadata%5B%5D=x", "metadata[]", "invalid_value", "metadata[KEY]=VALUE"},
        {"metadata=x", "metadata", "unknown_parameter", "Did you mean 'metadata[KEY]'?"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        refused(fixture, 400, cases[i].param, cases[i].code, cases[i].message,
                (struct call){"GET", show("/v1/threads?%s", cases[i].query), NULL, NULL, NULL});
    expect(fixture, 200, "GET", "/v1/threads?metadata[k]=1&metadata[l]=1&metadata[[]]=1", NULL);
}

Test(threads, of_a_list_whose_filter_says_nothing_or_two_things_are_refused)
{
    with_api(list_refusals);
}

static void conditions(struct fixture *fixture)
{
    const char *path = show("/v1/threads/%s", new_thread(fixture));
    struct call call = {"POST", path, "{\"title\":\"x\"}", "If-Match: \"0\"\r\n", NULL};

    cr_assert_eq(http(fixture, call), 200);
    expect(fixture, 200, "POST", path, "{\"agent_state\":{\"step\":1}}");
    call.body = "{\"title\":\"y\",\"user_id\":\"ann\"}";
    refused(fixture, 412, "If-Match", "agent_state_changed", "version 1 now, not 0", call);
    call.path = show("%s/archive", path);
    call.body = NULL;
    refused(fixture, 412, "If-Match", "agent_state_changed", "version 1 now, not 0", call);
    expect(fixture, 200, "GET", path, NULL);
    cr_assert_str_eq(string_at(fixture->body, "title"), "x");
    cr_assert(!json_get(fixture->body, "user_id") && !json_get(fixture->body, "archived_at"));
    call.headers = "If-Match: \"1\"\r\n";
    cr_assert_eq(http(fixture, call), 200);
    call.path = show("%s/restore", path);
    cr_assert_eq(http(fixture, call), 200);
}

Test(threads, are_not_changed_at_all_where_their_state_has_another_version)
{
    with_api(conditions);
}
