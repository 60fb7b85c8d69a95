/* What needs no server: fields, texts, the pace of pollers, caches, specs, rendering. */

#include <criterion/criterion.h>
#include <stdio.h>

#include "scheduler/api/access/key_cache.h"
#include "scheduler/api/assistants/bodies.h"
#include "scheduler/api/assistants/render.h"
#include "scheduler/api/listing.h"
#include "scheduler/api/poll.h"
#include "scheduler/api/trace.h"
#include "shared/agent/spec.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/check/fields.h"
#include "shared/json/json.h"
#include "shared/store/store.h"
#include "shared/submit/new_messages.h"

static struct json_object *parse(const char *text)
{
    struct json_object *object;
    struct error err;

    cr_assert_eq(json_decode(text_of(text), 64, &object, &err), 0, "%s in %s", err.text, text);
    return object;
}

static int check(struct fields fields, const char *text, struct failure *failure)
{
    struct json_object *object = parse(text);
    int r = fields_check(fields, object, NULL, failure);

    json_free(object);
    return r;
}

Test(text, has_as_many_characters_as_code_points)
{
    static const char *const characters[] = {"a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    char bytes[128];
    size_t len = 0;
    size_t count = 0;

    cr_assert_eq(text_characters(TEXT("")), 0);
    for (size_t i = 0; len + 4 < sizeof(bytes); i += i % 7 + 1) {
        const char *character = characters[i % ARRAY_LENGTH(characters)];

        memcpy(bytes + len, character, strlen(character));
        len += strlen(character);
        cr_assert_eq(text_characters((struct text){bytes, len}), ++count);
    }
}

Test(fields, count_characters_and_not_bytes)
{
    struct failure failure;
    struct buf body;

    buf_init(&body, 0);
    buf_add_string(&body, "{\"model\":\"m\",\"name\":\"");
    for (int i = 0; i < 256; i++)
        buf_add_string(&body, "é");
    buf_add_string(&body, "\"}");
    cr_assert_eq(check(body_create_assistant, buf_string(&body), &failure), 0);
    body.len -= 2;
    buf_add_string(&body, "é\"}");
    cr_assert(check(body_create_assistant, buf_string(&body), &failure) < 0);
    cr_assert_str_eq(failure.code, "string_above_max_length");
    cr_assert_str_eq(failure.message,
                     "Invalid 'name': string too long. Expected a string with maximum length 256, "
                     "but got a string with length 257 instead.");
    buf_deinit(&body);
}

Test(fields, allow_sixteen_pairs_of_metadata_with_limits)
{
    struct failure failure;
    struct buf body;

    buf_init(&body, 0);
    for (int pairs = 16; pairs <= 17; pairs++) {
        buf_reset(&body);
        buf_add_string(&body, "{\"metadata\":{");
        for (int i = 0; i < pairs; i++)
            buf_printf(&body, "%s\"k%d\":\"v\"", i ? "," : "", i);
        buf_add_string(&body, "}}");
        cr_assert_eq(check(body_update_run, buf_string(&body), &failure) == 0, pairs == 16);
    }
    cr_assert_str_eq(failure.code, "object_above_max_properties");
    buf_reset(&body);
    buf_printf(&body, "{\"metadata\":{\"%065d\":\"v\"}}", 0);
    cr_assert(check(body_update_run, buf_string(&body), &failure) < 0);
    buf_reset(&body);
    buf_printf(&body, "{\"metadata\":{\"%064d\":\"%0512d\"}}", 0, 0);
    cr_assert_eq(check(body_update_run, buf_string(&body), &failure), 0);
    buf_reset(&body);
    buf_printf(&body, "{\"metadata\":{\"k\":\"%0513d\"}}", 0);
    cr_assert(check(body_update_run, buf_string(&body), &failure) < 0);
    cr_assert_str_eq(failure.param, "metadata.k");
    buf_deinit(&body);
}

Test(fields, do_not_wrap_integers_around)
{
    struct failure failure;

    cr_assert(check(body_create_run,
                    "{\"assistant_id\":\"a\",\"max_iterations\":"
                    "18446744073709551617}",
                    &failure) < 0);
    cr_assert_str_eq(failure.code, "integer_above_max_value");
}

Test(failure, is_rendered_as_valid_json_whatever_the_client_sent)
{
    struct failure failure;
    struct json_object *object;
    struct buf name;
    struct buf body;

    buf_init(&name, 0);
    buf_init(&body, 0);
    buf_add_string(&name, "{\"");
    for (int i = 0; i < 400; i++)
        buf_add_string(&name, "\\n\\\"é👋");
    buf_add_string(&name, "\":1}");
    cr_assert(check(body_update_run, buf_string(&name), &failure) < 0);
    failure_render(&failure, &body);
    object = parse(buf_string(&body));
    cr_assert_str_eq(json_get_string(json_get(object, "error"), "code"), "unknown_parameter");
    cr_assert(text_is_utf8(buf_text(&body)));
    json_free(object);
    buf_deinit(&name);
    buf_deinit(&body);
}

Test(failure, names_where_a_value_is)
{
    struct path tools = {NULL, "tools", 0};
    struct path item = {&tools, NULL, 12};
    struct path function = {&item, "function", 0};
    char text[64];

    path_format(&function, text, sizeof(text));
    cr_assert_str_eq(text, "tools[12].function");
    path_format(NULL, text, sizeof(text));
    cr_assert_str_eq(text, "");
}

Test(failure, tells_an_absent_database_from_a_defect)
{
    struct failure failure;
    struct error err;

    (void)error_set(&err, E_UNAVAILABLE, "x");
    cr_assert(failure_from_error(&failure, &err) < 0);
    cr_assert(failure.status == 503 && failure.retry == RETRY_YES && !failure.ambiguous);
    (void)error_set(&err, E_AMBIGUOUS, "x");
    (void)failure_from_error(&failure, &err);
    cr_assert(failure.status == 503 && failure.ambiguous);
    (void)error_set(&err, E_REJECTED, "relation secret does not exist");
    (void)failure_from_error(&failure, &err);
    cr_assert_eq(failure.status, 500);
    cr_assert(!strstr(failure.message, "secret"));
    cr_assert_str_eq(failure.cause, err.text);
}

Test(poll, is_fast_for_short_runs_and_slow_for_long_ones)
{
    struct poll poll = {.average_ms = 400, .load = {.ready = 0, .slots = 100}};

    cr_assert_eq(poll_after_ms(&poll, false, 0), POLL_AFTER_MIN_MS);
    poll.average_ms = 4000;
    cr_assert_eq(poll_after_ms(&poll, false, 0), 1000);
    cr_assert_eq(poll_after_ms(&poll, false, 3800), POLL_AFTER_MIN_MS);
    cr_assert_eq(poll_after_ms(&poll, false, 8000), 1000);
    cr_assert_eq(poll_after_ms(&poll, false, INT64_C(10000000)), POLL_AFTER_MAX_MS);
    poll.load.ready = 300;
    cr_assert_eq(poll_after_ms(&poll, true, 0), 4000);
    poll.load = (struct api_load){.ready = INT64_C(1) << 60, .slots = 0};
    cr_assert_eq(poll_after_ms(&poll, true, 0), POLL_AFTER_MAX_MS);
    cr_assert_eq(poll_after_ms(&poll, true, -5), POLL_AFTER_MAX_MS);
}

Test(poll, learns_how_long_runs_take)
{
    struct poll poll = {.average_ms = 2000};

    for (int i = 0; i < 100; i++)
        poll_observe(&poll, 100);
    cr_assert(poll.average_ms < 120);
    poll_observe(&poll, -1000);
    poll_observe(&poll, INT64_MAX);
    cr_assert(poll.average_ms > 0 && poll.average_ms < 100000);
}

static void hash_of(int number, uint8_t out[SHA256_BYTES])
{
    char text[16];

    snprintf(text, sizeof(text), "%d", number);
    sha256(text_of(text), out);
}

Test(key_cache, answers_for_some_seconds_and_lets_one_request_ask_again)
{
    struct key_cache *cache = key_cache_new();
    struct key_owner owner = {.tenant = uuid_new(), .key = uuid_new()};
    struct key_owner found;
    uint8_t hash[SHA256_BYTES];

    hash_of(1, hash);
    cr_assert_eq(key_cache_lookup(cache, hash, 0, &found), KEY_MISSING);
    key_cache_insert(cache, hash, 1000, owner);
    cr_assert_eq(key_cache_lookup(cache, hash, 1000 + KEY_TTL_MS, &found), 0);
    cr_assert(uuid_equal(found.tenant, owner.tenant));
    cr_assert(uuid_equal(found.key, owner.key));
    cr_assert_eq(key_cache_lookup(cache, hash, 1001 + KEY_TTL_MS, &found), KEY_MISSING);
    cr_assert_eq(key_cache_lookup(cache, hash, 1002 + KEY_TTL_MS, &found), 0);
    cr_assert_eq(key_cache_lookup(cache, hash, 2001 + KEY_TTL_MS, &found), KEY_MISSING);
    key_cache_insert(cache, hash, 9000, owner);
    cr_assert_eq(key_cache_lookup(cache, hash, 9001, &found), 0);
    key_cache_free(cache);
}

Test(key_cache, does_not_grow_beyond_its_limit_and_keeps_what_is_used)
{
    struct key_cache *cache = key_cache_new();
    struct key_owner found;
    uint8_t hash[SHA256_BYTES];

    for (int i = 0; i < KEY_CACHE_MAX + 100; i++) {
        hash_of(i, hash);
        key_cache_insert(cache, hash, 0, (struct key_owner){.tenant = uuid_new()});
        hash_of(0, hash);
        cr_assert_eq(key_cache_lookup(cache, hash, 1, &found), 0);
    }
    cr_assert_eq(key_cache_count(cache), KEY_CACHE_MAX);
    hash_of(1, hash);
    cr_assert_eq(key_cache_lookup(cache, hash, 1, &found), KEY_MISSING);
    key_cache_free(cache);
}

Test(run_spec, overrides_what_the_request_says_and_keeps_the_rest)
{
    struct json_object *body = parse("{\"temperature\":0,\"instructions\":null,"
                                     "\"additional_instructions\":\"b\"}");
    struct json_object *spec;
    struct agent_spec agent;
    struct failure failure;
    struct arena arena;
    struct error err;
    struct buf out;

    arena_init(&arena, 0);
    buf_init(&out, 0);
    cr_assert_eq(agent_spec_parse(TEXT("{\"model\": \"m\", \"instructions\": \"a\\u00e9\\\"\", "
                                       "\"top_p\": 0.5, \"temperature\": 1, \"name\": \"n\"}"),
                                  &arena, &agent, &err),
                 0);
    cr_assert_eq(run_spec_write(&agent, body, &(struct run_prompt){0}, &out, &failure), 0);
    spec = parse(buf_string(&out));
    cr_assert_str_eq(json_get_string(spec, "instructions"), "aé\"\n\nb");
    cr_assert_eq(json_get_int(spec, "temperature", -1), 0);
    cr_assert_float_eq(json_get_double(spec, "top_p", 0), 0.5, 1e-9);
    cr_assert(!json_has(spec, "name"));
    cr_assert_str_eq(json_get_string(spec, "tool_choice"), "auto");
    cr_assert(json_has(spec, "max_prompt_tokens") && !json_get(spec, "max_prompt_tokens"));
    json_free(spec);
    json_free(body);
    buf_deinit(&out);
    arena_deinit(&arena);
}

Test(drafts, turn_input_content_into_output_content)
{
    struct json_object *content = parse("[{\"type\":\"text\",\"text\":\"a\\\"b\"}]");
    struct buf out;

    buf_init(&out, 0);
    new_message_content(content, &out);
    cr_assert_str_eq(buf_string(&out), "[{\"type\":\"text\",\"text\":{\"value\":\"a\\\"b\","
                                       "\"annotations\":[]}}]");
    json_free(content);
    buf_deinit(&out);
}

Test(render, writes_every_member_of_a_run_that_has_only_begun)
{
    struct run run = {
        .id = uuid_new(),
        .thread_id = uuid_new(),
        .status = RUN_COMPLETED,
        .spec = TEXT("{\"model\": \"m\"}"),
        .incomplete_reason = TEXT("max_completion_tokens"),
        .created_at = -5,
        .expires_at = 7,
        .used = {1, 2, 3, 4, 5, 6},
    };
    struct json_object *object;
    struct buf out;

    buf_init(&out, 0);
    render_run(&run, &out);
    object = parse(buf_string(&out));
    cr_assert_str_eq(json_get_string(object, "model"), "m");
    cr_assert(json_has(object, "assistant_id") && !json_get(object, "assistant_id"));
    cr_assert(!json_get(object, "expires_at"));
    cr_assert_eq(json_get_int(object, "created_at", 0), -5);
    cr_assert(strstr(buf_string(&out),
                     "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3,"
                     "\"prompt_tokens_details\":{\"cached_tokens\":3,\"cache_write_tokens\":4},"
                     "\"completion_tokens_details\":{\"reasoning_tokens\":5}}"));
    cr_assert_eq(json_get_int(object, "cost_micros", 0), 6);
    cr_assert_str_eq(json_get_string(json_get(object, "incomplete_details"), "reason"),
                     "max_completion_tokens");
    json_free(object);
    buf_deinit(&out);
}

Test(list, of_nothing_has_null_cursors)
{
    struct buf out;
    struct listing list = {.out = &out, .kind = ID_RUN};

    buf_init(&out, 0);
    listing_end(&list, false);
    cr_assert_str_eq(buf_string(&out), "],\"first_id\":null,\"last_id\":null,\"has_more\":false}");
    buf_reset(&out);
    listing_add(&list, uuid_new());
    listing_add_number(&list, 7);
    listing_end(&list, true);
    cr_assert(text_starts(buf_text(&out), ",],\"first_id\":\"run_"));
    cr_assert(text_ends(buf_text(&out), "\"last_id\":\"7\",\"has_more\":true}"));
    buf_deinit(&out);
}

static const char *trace(const char *traceparent)
{
    static char out[TRACE_SIZE];
    const struct http_field field = {TEXT("traceparent"), text_of(traceparent)};
    struct http_exchange exchange = {.headers = &field, .headers_count = 1, .request_id = "req_1"};

    trace_of(&exchange, out);
    return out;
}

Test(trace, is_that_of_a_valid_traceparent_else_the_request_id)
{
    const char *id = "4bf92f3577b34da6a3ce929d0e0e4736";

    cr_assert_str_eq(trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), id);
    cr_assert_str_eq(trace("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x"), id);
    cr_assert_str_eq(trace("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), "req_1");
    cr_assert_str_eq(trace("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"), "req_1");
    cr_assert_str_eq(trace("00-00000000000000000000000000000000-00f067aa0ba902b7-01"), "req_1");
    cr_assert_str_eq(trace("00-4bf92f35"), "req_1");
    cr_assert_str_eq(trace(""), "req_1");
}
