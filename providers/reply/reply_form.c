/* Replies in form.
 *
 * Almost every reply is in form as it comes, and then nothing is copied: each rule looks first.
 */

#include "providers/reply/reply_form.h"

#include <stdarg.h>
#include <stdio.h>

#include "shared/agent/tools/tools.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/utf8.h"
#include "shared/json/json.h"
#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"

#define MODEL_NAME_MAX  256
#define STATE_MORE_MAX  4096 /* of a reply's state, beside what may be the length of an answer */
#define SHOWN_MAX       160  /* of what was said, in a problem */
#define PROBLEM_MAX     512
#define UNNAMED         "unnamed"
#define NO_ARGUMENTS    TEXT("{}")
#define ID_DIGEST_CHARS 32

static int no_room(struct error *err)
{
    return error_set(err, E_LIMIT, "the reply is too large for the run's memory");
}

static int keep(struct arena *arena, const struct buf *buf, struct text *out, struct error *err)
{
    char *copy = buf->failed ? NULL : arena_copy(arena, buf_text(buf));

    if (!copy)
        return no_room(err);
    *out = (struct text){copy, buf->len};
    return 0;
}

static bool is_clean(struct text text)
{
    return text.len == 0 || (!memchr(text.ptr, '\0', text.len) && text_is_utf8(text));
}

static int clean_text(struct text *text, struct arena *arena, struct error *err)
{
    CLEANUP(buf_deinit) struct buf buf = {0};

    if (is_clean(*text))
        return 0;
    buf_init(&buf, text->len * 3);
    buf_add_utf8(&buf, *text);
    return keep(arena, &buf, text, err);
}

/* ---- ids ---- */

/* "call_" and the beginning of a digest of both texts and the number. */
static int make_id(struct text what, size_t number, struct arena *arena, struct text *out,
                   struct error *err)
{
    CLEANUP(buf_deinit) struct buf buf;
    char digest[SHA256_TEXT_SIZE];
    char *id;

    buf_init(&buf, what.len + 64);
    buf_printf(&buf, "%zu:", number);
    buf_add_text(&buf, what);
    sha256_hex(buf_text(&buf), digest);
    id = arena_printf(arena, "call_%.*s", ID_DIGEST_CHARS, digest);
    if (!id)
        return no_room(err);
    *out = text_of(id);
    return 0;
}

int reply_form_id(struct text id, struct arena *arena, struct text *out, struct error *err)
{
    if (id.len == 0 || id.len > CALL_ID_MAX || !tool_name_letters(id))
        return make_id(id, 0, arena, out, err);
    *out = id;
    return 0;
}

static bool id_is_taken(const struct chat_reply *reply, size_t before, struct text id)
{
    for (size_t i = 0; i < before; i++)
        if (text_equal(reply->tool_calls[i].id, id))
            return true;
    return false;
}

/* What ids are made from; a large reply is digested once. */
struct seed {
    struct text said;
    char digest[SHA256_TEXT_SIZE];
    bool known;
};

static struct text seed_of(struct seed *seed)
{
    if (!seed->known)
        sha256_hex(seed->said, seed->digest);
    seed->known = true;
    return text_of(seed->digest);
}

static int form_id_within(struct chat_reply *reply, size_t index, struct seed *seed,
                          struct error *err)
{
    struct text *id = &reply->tool_calls[index].id;
    int r = 0;

    if (id->len > 0)
        r = reply_form_id(*id, reply->arena, id, err);
    /* One that is not there, or is there twice. No two digests meet but by a model's ill will. */
    for (size_t number = index + 1; r == 0 && (id->len == 0 || id_is_taken(reply, index, *id));
         number += REPLY_CALLS_MAX)
        r = make_id(seed_of(seed), number, reply->arena, id, err);
    return r;
}

/* ---- names and arguments ---- */

PRINTF(3, 4)
static int set_problem(struct chat_tool_call *call, struct arena *arena, const char *format, ...)
{
    char text[PROBLEM_MAX];
    va_list args;
    char *copy;
    int wanted;

    if (call->problem.len > 0)
        return 0; /* one is enough */
    va_start(args, format);
    wanted = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    utf8_mark_cut(text, sizeof(text), wanted);
    copy = arena_string(arena, text);
    if (!copy)
        return -E_LIMIT;
    call->problem = text_of(copy);
    return 0;
}

/* The beginning of what was said, for a message. */
static void show(struct text said, char shown[SHOWN_MAX])
{
    CLEANUP(buf_deinit) struct buf clean;

    buf_init(&clean, 0);
    buf_add_utf8(&clean, text_prefix(said, SHOWN_MAX));
    text_excerpt(buf_text(&clean), shown, SHOWN_MAX);
}

static int form_name(struct chat_tool_call *call, struct arena *arena)
{
    struct text said = text_trim(call->name);
    char name[TOOL_NAME_MAX + 1];
    char shown[SHOWN_MAX];
    size_t len = 0;
    char *copy;

    if (tool_name_fits(said)) {
        call->name = said;
        return 0;
    }
    for (size_t i = 0; i < said.len && len < TOOL_NAME_MAX; i++) {
        bool good = tool_name_letters((struct text){&said.ptr[i], 1});

        if (good || len == 0 || name[len - 1] != '_')
            name[len++] = good ? said.ptr[i] : '_';
    }
    name[len] = '\0';
    copy = arena_string(arena, len > 0 ? name : UNNAMED);
    if (!copy)
        return -E_LIMIT;
    show(said, shown);
    call->name = text_of(copy);
    if (said.len == 0)
        return set_problem(call, arena, "the call names no tool");
    return set_problem(call, arena,
                       "there is no tool named '%s': a tool's name has 1 to %d letters, digits, "
                       "'_' and '-'",
                       shown, TOOL_NAME_MAX);
}

/* The value that arguments are: itself, or what a string says that holds one, which `buf` owns. */
static bool read_arguments(struct text said, struct buf *buf, struct text *out)
{
    if (json_raw_check(said, JSON_DEPTH_DEFAULT, out, NULL) < 0)
        return false;
    if (json_raw_type(*out) != JSON_RAW_STRING)
        return true;
    (void)json_raw_add_string(*out, buf);
    return !buf->failed && json_raw_check(buf_text(buf), JSON_DEPTH_DEFAULT, out, NULL) == 0;
}

static int form_arguments(struct chat_tool_call *call, struct arena *arena, struct error *err)
{
    CLEANUP(buf_deinit) struct buf inner = {0};
    CLEANUP(buf_deinit) struct buf strict = {0};
    struct text said = text_trim(call->arguments);
    char shown[SHOWN_MAX];
    struct text value;
    int r;

    call->arguments = NO_ARGUMENTS;
    if (said.len == 0 || text_is(said, "\"\""))
        return 0;
    buf_init(&inner, said.len + 1);
    buf_init(&strict, said.len * 3 + 64);
    if (!read_arguments(said, &inner, &value) ||
        (json_raw_type(value) != JSON_RAW_OBJECT && json_raw_type(value) != JSON_RAW_NULL)) {
        show(said, shown);
        r = set_problem(call, arena, "the arguments of the call of '%.*s' are no JSON object: %s",
                        TEXT_ARGS(call->name), shown);
        return r < 0 ? no_room(err) : 0;
    }
    if (json_raw_type(value) == JSON_RAW_NULL)
        return 0;
    json_raw_write(value, &strict);
    if (text_equal(buf_text(&strict), said)) {
        call->arguments = said;
        return 0;
    }
    return keep(arena, &strict, &call->arguments, err);
}

/* ---- what was said ---- */

static void write_said(struct json_write *write, const char *name, struct text was, struct text is)
{
    CLEANUP(buf_deinit) struct buf clean = {0};

    if (text_equal(was, is) || was.len == 0)
        return;
    buf_init(&clean, CALL_SAID_MAX * 3);
    buf_add_utf8(&clean, text_prefix(was, CALL_SAID_MAX));
    json_write_text(write, name, buf_text(&clean));
}

/* `was` as it came, `call` as it is now. */
static int keep_said(const struct chat_tool_call *was, struct chat_tool_call *call,
                     struct arena *arena, struct error *err)
{
    CLEANUP(buf_deinit) struct buf buf;
    struct json_write write;

    buf_init(&buf, 0);
    json_write_init(&write, &buf);
    json_write_open_object(&write, NULL);
    write_said(&write, "id", was->id, call->id);
    write_said(&write, "name", was->name, call->name);
    write_said(&write, "arguments", was->arguments, call->arguments);
    json_write_close(&write);
    return buf.len > 2 ? keep(arena, &buf, &call->said, err) : 0;
}

static int form_name_and_arguments(struct chat_tool_call *call, struct arena *arena,
                                   struct error *err)
{
    return form_name(call, arena) < 0 ? no_room(err) : form_arguments(call, arena, err);
}

int reply_form_call(struct chat_tool_call *call, struct arena *arena, struct error *err)
{
    int r = reply_form_id(call->id, arena, &call->id, err);

    return r < 0 ? r : form_name_and_arguments(call, arena, err);
}

/* ---- a reply as a whole ---- */

/* Arguments beyond what is left of the answer's bound can't be carried out cut. */
static int bound_arguments(struct chat_tool_call *call, size_t *left, struct arena *arena,
                           struct error *err)
{
    size_t len = call->arguments.len;

    if (len <= *left) {
        *left -= len;
        return 0;
    }
    call->arguments = NO_ARGUMENTS;
    if (set_problem(call, arena, "the arguments of the call of '%.*s' are too long: %zu bytes",
                    TEXT_ARGS(call->name), len) < 0)
        return no_room(err);
    return 0;
}

static int form_calls(struct chat_reply *reply, size_t left, struct seed *seed, struct error *err)
{
    bool cut = reply->finish == CHAT_FINISH_LENGTH || reply->finish == CHAT_FINISH_FILTER;
    int r = 0;

    if (cut)
        reply->tool_calls_count = 0; /* the last one may be partial, and none is carried out */
    if (reply->tool_calls_count > REPLY_CALLS_MAX)
        reply->tool_calls_count = REPLY_CALLS_MAX;
    for (size_t i = 0; r == 0 && i < reply->tool_calls_count; i++) {
        struct chat_tool_call *call = &reply->tool_calls[i];
        struct chat_tool_call was = *call;

        r = form_id_within(reply, i, seed, err);
        if (r == 0)
            r = form_name_and_arguments(call, reply->arena, err);
        if (r == 0)
            r = bound_arguments(call, &left, reply->arena, err);
        if (r == 0)
            r = keep_said(&was, call, reply->arena, err);
    }
    return r;
}

static int form_text(struct chat_reply *reply, size_t max_bytes, struct error *err)
{
    int r = clean_text(&reply->text, reply->arena, err);

    if (r < 0 || reply->text.len <= max_bytes)
        return r;
    reply->text = text_prefix(reply->text, max_bytes);
    reply->finish = CHAT_FINISH_LENGTH;
    return 0;
}

static int form_reasoning(struct chat_reply *reply, struct error *err)
{
    int r = clean_text(&reply->reasoning, reply->arena, err);

    if (r == 0 && reply->reasoning.len > CHAT_REASONING_BYTES_MAX)
        reply->reasoning = text_prefix(reply->reasoning, CHAT_REASONING_BYTES_MAX);
    return r;
}

static int64_t clamp(int64_t tokens, int64_t max)
{
    if (tokens < 0)
        return 0;
    return tokens < max ? tokens : max;
}

/* Parts are no more than the whole. */
static void form_usage(struct chat_usage *usage)
{
    usage->input_tokens = clamp(usage->input_tokens, CHAT_TOKENS_MAX);
    usage->output_tokens = clamp(usage->output_tokens, CHAT_TOKENS_MAX);
    usage->cached_input_tokens = clamp(usage->cached_input_tokens, usage->input_tokens);
    usage->cache_write_tokens =
        clamp(usage->cache_write_tokens, usage->input_tokens - usage->cached_input_tokens);
    usage->reasoning_tokens = clamp(usage->reasoning_tokens, usage->output_tokens);
}

/* State that is not as its format made it is left out: the next reply is then merely less good. */
static void form_state(struct chat_reply *reply, size_t max_bytes)
{
    CLEANUP(json_freep) struct json_object *parsed = NULL;
    struct text state = reply->opaque_state;

    if (state.len == 0 || state.len > max_bytes ||
        json_decode(state, JSON_DEPTH_DEFAULT, &parsed, NULL) < 0)
        reply->opaque_state = TEXT_NONE;
}

static void form_finish(struct chat_reply *reply)
{
    if (reply->finish == CHAT_FINISH_LENGTH || reply->finish == CHAT_FINISH_FILTER)
        return;
    if (reply->tool_calls_count > 0)
        reply->finish = CHAT_FINISH_TOOL;
    else if (reply->finish == CHAT_FINISH_TOOL)
        reply->finish = CHAT_FINISH_STOP;
}

static bool is_empty(const struct chat_reply *reply)
{
    return reply->tool_calls_count == 0 && text_trim(reply->text).len == 0 &&
           reply->finish != CHAT_FINISH_LENGTH && reply->finish != CHAT_FINISH_FILTER;
}

int reply_form(struct chat_reply *reply, size_t answer_bytes_max, struct text seed,
               struct error *err)
{
    size_t max_bytes = answer_bytes_max ? answer_bytes_max : CHAT_ANSWER_BYTES_MAX;
    struct seed ids_seed = {.said = seed};
    int r = form_text(reply, max_bytes, err);

    if (r == 0)
        r = form_calls(reply, max_bytes - reply->text.len, &ids_seed, err);
    if (r == 0) {
        reply->model = text_prefix(reply->model, MODEL_NAME_MAX);
        r = clean_text(&reply->model, reply->arena, err);
    }
    if (r == 0)
        r = form_reasoning(reply, err);
    if (r < 0)
        return r;
    form_usage(&reply->usage);
    form_state(reply, max_bytes + STATE_MORE_MAX);
    form_finish(reply);
    return is_empty(reply) ? REPLY_EMPTY : 0;
}
