/* A call: read, let in, decided and written; then it waits and is sent.
 *
 * What a call will get is decided and written before its delay, and the parsed request is freed by
 * then, so that thousands of waiting calls hold a few KiB each. A client that goes away during a
 * delay is noticed within half a second, or at the end of a shorter delay.
 */

#include "providers/rehearsal/call.h"

#include <stdio.h>
#include <stdlib.h>

#include "providers/rehearsal/decide.h"
#include "providers/rehearsal/reply/seal.h"
#include "providers/rehearsal/reply/vectors.h"
#include "providers/rehearsal/sending.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

#define BYTES_PER_TOKEN 4
#define CHUNK_MIN_BYTES 16                /* of text in an event where nobody says */
#define CHUNKS_MAX      1024              /* then, of one text */
#define VALUES_MAX      ((size_t)4 << 20) /* of all vectors of a reply */
#define JSON            "application/json"

struct call {
    struct call_service *service;
    struct http_exchange *exchange;
    const struct route *route;
    struct text key;
    struct conversation conversation;
    struct embedding_request embedding;
    struct problem problem;
    struct decision decision;
    struct meter *meter; /* of the key and model; NULL: they are not known yet */
    bool admitted;
    struct usage usage;
    int64_t admitted_tokens; /* of the prompt */
    int64_t started_ms;
    struct sending sending;
};

static int64_t tokens_of(size_t bytes)
{
    return (int64_t)((bytes + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN);
}

static struct text find_kept(void *arg, struct text id)
{
    const struct call *call = arg;

    return kept_find(&call->service->kept, call->key, id);
}

static struct text find_header(void *arg, const char *name)
{
    return http_header_get(arg, name);
}

static void add_header(void *arg, const char *name, struct text value)
{
    http_add_header(arg, name, value);
}

static struct text find_key(struct http_exchange *exchange, const struct dialect *dialect)
{
    for (const char *const *name = dialect->key_headers; *name; name++) {
        struct text value = http_header_get(exchange, *name);

        if (!value.ptr)
            continue;
        if (value.len > 7 && text_is_nocase((struct text){value.ptr, 7}, "bearer "))
            value = text_trim((struct text){value.ptr + 7, value.len - 7});
        return value;
    }
    return exchange->query.len ? http_query_get(exchange, "key", 0) : TEXT_NONE;
}

/* ---- reading ---- */

static int read_embedding(struct call *call, const struct request *request)
{
    struct embedding_request *embedding = &call->embedding;
    int r = call->route->dialect->read_embedding(request, &call->conversation, embedding,
                                                 &call->problem);

    if (r == 0 && embedding->count * embedding->dimensions > VALUES_MAX)
        return problem_set(&call->problem, "input",
                           "There are too many inputs: all vectors of a reply together have at "
                           "most %zu numbers.",
                           VALUES_MAX);
    return r;
}

static int read_request(struct call *call)
{
    const struct dialect *dialect = call->route->dialect;
    CLEANUP(json_freep) struct json_object *body = NULL;
    struct request request = {
        .path_model = call->route->model,
        .path_stream = call->route->stream,
        .key = call->key,
        .header = find_header,
        .header_arg = call->exchange,
        .kept = find_kept,
        .kept_arg = call,
        .arena = &call->exchange->arena,
        .keep_texts = call->service->script->looks_at_all,
    };
    struct error err;

    if (json_decode(call->exchange->body, JSON_DEPTH_DEFAULT, &body, &err) < 0)
        return problem_set(&call->problem, NULL,
                           "We could not parse the JSON body of your request: %s.", err.text);
    request.body = body;
    if (call->route->endpoint == ENDPOINT_CHAT)
        return dialect->read(&request, &call->conversation, &call->problem);
    return read_embedding(call, &request);
}

/* Whether the model's context, and the limits of its key and model, have room for the call. */
static int admit(struct call *call)
{
    struct call_service *service = call->service;
    struct conversation *conversation = &call->conversation;
    int64_t tokens = tokens_of(conversation->text_bytes);
    int64_t context = script_context_tokens(service->script, conversation->model.ptr);

    call->meter = meters_find(&service->meters, call->key, conversation->model, clock_us());
    if (context && tokens > context) {
        if (!conversation->truncates) {
            call->problem = (struct problem){
                .kind = PROBLEM_TOO_LONG, .status = 400, .allowed = context, .asked = tokens};
            return CONVERSATION_REFUSED;
        }
        tokens = context;
    }
    call->admitted_tokens = tokens;
    call->admitted = meter_admit(call->meter, tokens, clock_us(), &call->problem);
    return call->admitted ? 0 : CONVERSATION_REFUSED;
}

static int choose(struct call *call)
{
    struct decide_input input = {
        .conversation = &call->conversation,
        .embeddings = call->route->endpoint == ENDPOINT_EMBEDDINGS,
        .header = find_header,
        .header_arg = call->exchange,
    };
    struct error err;

    if (decide(call->service->script, &input, &call->exchange->arena, &call->decision, &err) < 0)
        return problem_set(&call->problem, NULL, "%s", err.text);
    return 0;
}

static void write_headers(struct call *call)
{
    const struct dialect *dialect = call->route->dialect;
    struct limit_state states[LIMIT_KINDS];

    if (dialect->request_id_header)
        http_add_header(call->exchange, dialect->request_id_header,
                        text_of(call->exchange->request_id));
    if (!dialect->write_headers)
        return;
    if (call->meter && call->meter->limit) {
        meter_states(call->meter, clock_us(), clock_wall_ms(), states);
        dialect->write_headers(states, &call->problem, add_header, call->exchange);
    } else {
        dialect->write_headers(NULL, &call->problem, add_header, call->exchange);
    }
}

SUSPENDS static void refuse(struct call *call)
{
    struct sending *sending = &call->sending;

    call->problem.model = call->conversation.model;
    call->service->refused += call->problem.kind != PROBLEM_LIMIT;
    write_headers(call);
    sending->status_sent = call->route->dialect->write_error(&call->problem, &sending->body);
    (void)http_reply(call->exchange, sending->status_sent, JSON, buf_text(&sending->body));
}

/* ---- writing ---- */

static int64_t said_or(int64_t said, int64_t otherwise)
{
    return said >= 0 ? said : otherwise;
}

static int64_t at_most(int64_t value, int64_t max)
{
    return value < max ? value : max;
}

static void count_usage(struct call *call)
{
    const struct decision *decision = &call->decision;
    const struct script_action *action = decision->action;
    struct usage *usage = &call->usage;
    size_t bytes = decision->text.len;

    for (size_t i = 0; i < decision->calls_count; i++)
        bytes += decision->calls[i].name.len + decision->calls[i].arguments.len;
    usage->input = said_or(action->prompt_tokens, call->admitted_tokens);
    usage->reasoning = said_or(action->reasoning_tokens, tokens_of(decision->reasoning.len));
    usage->output = said_or(action->completion_tokens, tokens_of(bytes) + usage->reasoning);
    usage->reasoning = at_most(usage->reasoning, usage->output);
    usage->cached = at_most(action->cached_tokens, usage->input);
    usage->cache_write = at_most(action->cache_write_tokens, usage->input - usage->cached);
}

static size_t chunk_bytes(const struct call *call)
{
    int64_t tokens = call->decision.action->chunk_tokens;
    size_t longest = call->decision.text.len;

    if (!tokens)
        tokens = call->service->script->chunk_tokens;
    if (tokens)
        return (size_t)tokens * BYTES_PER_TOKEN;
    if (call->decision.reasoning.len > longest)
        longest = call->decision.reasoning.len;
    for (size_t i = 0; i < call->decision.calls_count; i++)
        if (call->decision.calls[i].arguments.len > longest)
            longest = call->decision.calls[i].arguments.len;
    return longest / CHUNKS_MAX > CHUNK_MIN_BYTES ? longest / CHUNKS_MAX : CHUNK_MIN_BYTES;
}

/* How the answer ends, in OpenAI's words. False: the script has a word that is none of them. */
static bool end_of(const struct decision *decision, enum answer_end *out)
{
    static const struct {
        const char *word;
        enum answer_end end;
    } words[] = {
        {"stop", ANSWER_STOP},
        {"length", ANSWER_LENGTH},
        {"tool_calls", ANSWER_CALLS},
        {"content_filter", ANSWER_FILTER},
    };

    *out = decision->calls_count ? ANSWER_CALLS : ANSWER_STOP;
    if (!decision->action->finish_reason)
        return true;
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (strcmp(decision->action->finish_reason, words[i].word) != 0)
            continue;
        *out = words[i].end;
        return true;
    }
    return false;
}

/* The calls of an answer, with ids that tell which reasoning is to come back with them. */
static bool name_calls(struct call *call, struct answer *answer)
{
    const struct decision *decision = &call->decision;
    struct arena *arena = &call->exchange->arena;
    struct answer_call *calls = arena_calloc(arena, decision->calls_count, sizeof(*calls));
    bool marked = answer->mark[0] && !call->conversation.forgets_reasoning;

    for (size_t i = 0; calls && i < decision->calls_count; i++) {
        char id[DIALECT_CALL_ID_SIZE];
        const char *kept;

        dialect_call_id(call->route->dialect, answer, i, marked ? answer->mark : "", id);
        kept = arena_copy(arena, text_of(id));
        if (!kept)
            return false;
        calls[i] = (struct answer_call){.id = text_of(kept),
                                        .name = decision->calls[i].name,
                                        .arguments = decision->calls[i].arguments};
    }
    answer->calls = calls;
    answer->calls_count = calls ? decision->calls_count : 0;
    return calls != NULL;
}

static bool make_answer(struct call *call, struct answer *out)
{
    const struct decision *decision = &call->decision;

    *out = (struct answer){
        .conversation = &call->conversation,
        .now_wall_ms = clock_wall_ms(),
        .text = decision->text,
        .reasoning = decision->reasoning,
        .usage = call->usage,
        .chunk_bytes = chunk_bytes(call),
    };
    if (!end_of(decision, &out->end))
        out->end_word = decision->action->finish_reason;
    snprintf(out->id, sizeof(out->id), "%.12s%010llx", call->conversation.messages_sha256,
             (unsigned long long)(call->service->calls & 0xFFFFFFFFFFULL));
    if (out->reasoning.ptr)
        seal_mark(out->reasoning, out->mark);
    return name_calls(call, out);
}

static void write_vectors(struct call *call)
{
    const struct embedding_request *request = &call->embedding;
    struct vectors vectors = {
        .conversation = &call->conversation, .request = request, .tokens = call->usage.input};
    float *values = xcalloc(request->count * request->dimensions, sizeof(*values));

    for (size_t i = 0; i < request->count; i++)
        vector_of(request->texts[i], request->dimensions, values + i * request->dimensions);
    vectors.values = values;
    call->route->dialect->write_vectors(&vectors, &call->sending.body);
    free(values);
}

/* What the next request may go on behind. */
static void keep(struct call *call, const struct answer *answer)
{
    const struct dialect *dialect = call->route->dialect;
    struct text items = call->conversation.items;
    CLEANUP(buf_deinit) struct buf all = {0};
    CLEANUP(buf_deinit) struct buf own = {0};
    char id[DIALECT_KEPT_ID_SIZE];

    if (!dialect->write_kept || !items.ptr)
        return;
    buf_init(&all, 0);
    buf_init(&own, 0);
    dialect->write_kept(answer, &own);
    dialect->kept_id(answer, id);
    buf_add_text(&all, items);
    buf_add_text(&all, (struct text){own.ptr + 1, own.len - 2}); /* without the brackets */
    if (!all.failed)
        kept_add(&call->service->kept, call->key, text_of(id), buf_text(&all));
}

static void write_chat(struct call *call)
{
    const struct dialect *dialect = call->route->dialect;
    struct sending *sending = &call->sending;
    struct answer answer;

    if (!make_answer(call, &answer)) {
        sending->body.failed = true;
        return;
    }
    keep(call, &answer);
    if (call->conversation.stream) {
        sending->stream = true;
        dialect->write_events(&answer, &sending->events);
    } else {
        dialect->write(&answer, &sending->body);
    }
}

/* The error that breaks a stream off. */
static void write_break(struct call *call)
{
    int64_t events = call->decision.action->fault_events;
    int64_t count = (int64_t)call->sending.events.count;
    struct problem problem = {.status = call->decision.action->error_status,
                              .model = call->conversation.model,
                              .events = events < count ? events : count};

    call->route->dialect->write_event_error(&problem, &call->sending.breaking);
}

int call_error(const struct dialect *dialect, int status, const char *message, struct buf *body)
{
    struct problem problem;

    (void)problem_set_as(&problem, status, NULL, "%s", message);
    return dialect->write_error(&problem, body);
}

/* A reply that is longer than there is room for. */
static void replace_by_error(struct call *call)
{
    struct sending *sending = &call->sending;

    buf_deinit(&sending->body);
    buf_init(&sending->body, 0);
    sending->stream = false;
    sending->completion = false;
    sending->status =
        call_error(call->route->dialect, 500, "The reply is over 64 MiB.", &sending->body);
}

static void write_reply(struct call *call)
{
    const struct decision *decision = &call->decision;
    struct sending *sending = &call->sending;
    struct problem asked = {.status = decision->action->status, .model = call->conversation.model};

    sending->status = decision->action->status;
    sending->content_type = JSON;
    if (decision->body.ptr) {
        buf_add_text(&sending->body, decision->body);
        if (call->conversation.stream && sending->status == 200)
            sending->content_type = event_list_content_type(sending->events.framing);
    } else if (sending->status != 200) {
        (void)call->route->dialect->write_error(&asked, &sending->body);
    } else {
        sending->completion = true;
        if (call->route->endpoint == ENDPOINT_EMBEDDINGS)
            write_vectors(call);
        else
            write_chat(call);
        if (decision->action->fault == SCRIPT_FAULT_ERROR_AFTER)
            write_break(call);
    }
    if (sending->body.failed || sending->events.bytes.failed)
        replace_by_error(call);
}

/* ---- the whole ---- */

/* Reads, lets in, decides. False: the call has been refused. */
SUSPENDS static bool prepare(struct call *call)
{
    int r = read_request(call);

    if (r == 0)
        r = admit(call);
    if (r == 0)
        r = choose(call);
    if (r == 0) {
        if (call->conversation.without_reasoning)
            call->decision.reasoning = TEXT_NONE;
        count_usage(call);
        meter_charge(call->meter, call->usage.input - call->admitted_tokens, call->usage.output,
                     clock_us());
        return true;
    }
    refuse(call);
    return false;
}

SUSPENDS static void play(struct call *call)
{
    struct call_service *service = call->service;
    struct sending *sending = &call->sending;

    write_reply(call);
    sending->action = call->decision.action;
    sending->chunk_ms = call->decision.chunk_ms;
    if (!sending_wait(sending,
                      call->decision.delay_ms < 0 ? service->delay_ms : call->decision.delay_ms))
        return;
    write_headers(call);
    sending_send(sending);
}

static void keep_line(struct call *call)
{
    const struct sending *sending = &call->sending;
    const struct script_rule *rule = call->decision.rule;
    struct ledger_line line = {
        .conversation = &call->conversation,
        .key = call->key,
        .idempotency_key = http_header_get(call->exchange, "idempotency-key"),
        .dialect = call->route->dialect->name,
        .rule = rule ? rule->name : NULL,
        .status = sending->status_sent,
        .stream = call->conversation.stream,
        .closed = sending->closed,
        .usage = sending->answered ? &call->usage : NULL,
        .ms = clock_ms() - call->started_ms,
        .request = call->exchange->body,
        .reply = buf_text(&sending->body),
    };

    rehearsal_ledger_write(&call->service->ledger, &line);
}

void call_delete_kept(struct call_service *service, struct http_exchange *exchange,
                      const struct route *route, struct text id)
{
    struct text key = find_key(exchange, route->dialect);
    CLEANUP(buf_deinit) struct buf body = {0};
    int status = 200;

    buf_init(&body, 0);
    if (kept_delete(&service->kept, key, id)) {
        buf_add_string(&body, "{\"id\":");
        buf_add_json(&body, id);
        buf_add_string(&body, ",\"object\":\"response\",\"deleted\":true}");
    } else {
        status = call_error(route->dialect, 404, "There is no such response.", &body);
    }
    (void)http_reply(exchange, status, JSON, buf_text(&body));
}

void call_serve(struct call_service *service, struct http_exchange *exchange,
                const struct route *route)
{
    struct call call = {.service = service,
                        .exchange = exchange,
                        .route = route,
                        .key = find_key(exchange, route->dialect),
                        .started_ms = clock_ms()};

    service->calls++;
    if (++service->in_flight > service->peak_in_flight)
        service->peak_in_flight = service->in_flight;
    sending_init(&call.sending, exchange, service->server, route->framing);
    call.sending.keep = service->ledger.bodies;
    if (prepare(&call))
        play(&call);
    service->in_flight--;
    if (call.admitted)
        meter_leave(call.meter);
    service->closed_by_client += call.sending.closed;
    keep_line(&call);
    sending_deinit(&call.sending);
}
