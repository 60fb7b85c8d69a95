/* The fixture of the dialects' tests. */

#include "talk.h"

#include <stdio.h>

#include <criterion/criterion.h>

#include "providers/rehearsal/reply/seal.h"
#include "shared/base/error.h"

struct talk talk;
static struct arena arena;
static struct buf made;

void talk_begin(const struct dialect *dialect)
{
    talk = (struct talk){
        .dialect = dialect, .key = "k-1234", .version = "2023-06-01", .model = "gemini-2.5-flash"};
    arena_init(&arena, 0);
}

void talk_end(void)
{
    arena_deinit(&arena);
    buf_deinit(&made);
}

static struct text find_header(void *arg, const char *name)
{
    (void)arg;
    return text_is_nocase(text_of(name), "anthropic-version") ? text_of(talk.version) : TEXT_NONE;
}

static int read_body(const char *body, bool embedding)
{
    CLEANUP(json_freep) struct json_object *parsed = NULL;
    CLEANUP(buf_deinit) struct buf json = {0};
    struct request request = {
        .path_model = text_of(talk.model),
        .key = text_of(talk.key),
        .header = find_header,
        .arena = &arena,
        .keep_texts = true,
    };
    struct error err = {0};

    arena_deinit(&arena);
    arena_init(&arena, 0);
    buf_init(&json, 0);
    for (; *body; body++)
        buf_add_char(&json, *body == '\'' ? '"' : *body);
    cr_assert_eq(json_decode(buf_text(&json), 64, &parsed, &err), 0, "%s: %s", err.text,
                 buf_string(&json));
    request.body = parsed;
    talk.problem = (struct problem){.status = 0};
    talk.embedding = (struct embedding_request){.count = 0};
    if (embedding)
        return talk.dialect->read_embedding(&request, &talk.conversation, &talk.embedding,
                                            &talk.problem);
    return talk.dialect->read(&request, &talk.conversation, &talk.problem);
}

int talk_read(const char *body)
{
    return read_body(body, false);
}

int talk_read_embedding(const char *body)
{
    return read_body(body, true);
}

void talk_accepts(const char *body)
{
    cr_assert_eq(talk_read(body), 0, "%s: %s", body, talk.problem.message);
}

void talk_refuses(const char *body, int status, const char *because)
{
    cr_assert_eq(talk_read(body), CONVERSATION_REFUSED, "%s", body);
    cr_assert_eq(talk.problem.status, status, "%d", talk.problem.status);
    cr_assert(strstr(talk.problem.message, because), "%s", talk.problem.message);
}

struct answer talk_answer(const char *text, const char *reasoning, const char *const *calls)
{
    static struct answer_call made_calls[4];
    static char ids[4][DIALECT_CALL_ID_SIZE];
    struct answer answer = {
        .conversation = &talk.conversation,
        .id = "0123456789abcdef012345",
        .now_wall_ms = 1700000000123,
        .text = text_of(text),
        .reasoning = text_of(reasoning),
        .calls = made_calls,
        .usage = {.input = 100, .output = 30, .cached = 40, .cache_write = 10, .reasoning = 12},
        .chunk_bytes = 8,
    };

    if (reasoning)
        seal_mark(answer.reasoning, answer.mark);
    for (; calls && *calls; calls += 2) {
        size_t i = answer.calls_count++;

        dialect_call_id(talk.dialect, &answer, i, answer.mark, ids[i]);
        made_calls[i] = (struct answer_call){
            .id = text_of(ids[i]), .name = text_of(calls[0]), .arguments = text_of(calls[1])};
        answer.end = ANSWER_CALLS;
    }
    return answer;
}

static struct json_object *parsed(struct text json)
{
    struct json_object *object = NULL;
    struct error err = {0};

    cr_assert_eq(json_decode(json, 64, &object, &err), 0, "%s: %.*s", err.text, TEXT_ARGS(json));
    return object;
}

struct json_object *talk_written(const struct answer *answer)
{
    buf_deinit(&made);
    buf_init(&made, 0);
    talk.dialect->write(answer, &made);
    return parsed(buf_text(&made));
}

const char *talk_streamed(const struct answer *answer, enum event_framing framing)
{
    struct event_list events;

    event_list_init(&events, framing);
    talk.dialect->write_events(answer, &events);
    buf_deinit(&made);
    buf_init(&made, 0);
    for (size_t i = 0; i < events.count; i++)
        buf_add_text(&made, event_list_at(&events, i));
    buf_add_text(&made, event_list_closing(&events));
    event_list_deinit(&events);
    return buf_string(&made);
}

struct json_object *talk_error(const struct problem *problem, int *out_status)
{
    buf_deinit(&made);
    buf_init(&made, 0);
    *out_status = talk.dialect->write_error(problem, &made);
    return parsed(buf_text(&made));
}

static void add_header(void *arg, const char *name, struct text value)
{
    (void)arg;
    buf_printf(&made, "%s: %.*s\n", name, TEXT_ARGS(value));
}

const char *talk_headers(const struct limit_state *limits, const struct problem *problem)
{
    buf_deinit(&made);
    buf_init(&made, 0);
    talk.dialect->write_headers(limits, problem, add_header, NULL);
    return buf_string(&made);
}

const char *at(struct json_object *root, const char *path)
{
    static char found[4][1024];
    static unsigned turn;
    char *out = found[turn++ % 4];
    struct text rest = text_of(path);

    while (root && rest.len) {
        struct text head;
        int64_t index;
        char name[64];

        if (!text_cut(rest, '.', &head, &rest)) {
            head = rest;
            rest.len = 0;
        }
        if (text_to_int(head, &index) && json_object_is_type(root, json_type_array)) {
            root = (size_t)index < json_object_array_length(root)
                       ? json_object_array_get_idx(root, (size_t)index)
                       : NULL;
            continue;
        }
        text_excerpt(head, name, sizeof(name));
        root = json_get(root, name);
    }
    if (!root)
        return "";
    snprintf(out, 1024, "%.*s",
             TEXT_ARGS(json_object_is_type(root, json_type_string) ? json_string(root)
                                                                   : json_text(root)));
    return out;
}
