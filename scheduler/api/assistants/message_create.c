/* Messages that clients send: to an idle thread, or behind its active run (on_busy), alone or with
 * a run that answers (run). */

#include "scheduler/api/assistants/bodies.h"
#include "scheduler/api/assistants/message_show.h"
#include "scheduler/api/assistants/render.h"
#include "scheduler/api/assistants/resources.h"
#include "scheduler/api/assistants/run_make.h"
#include "scheduler/api/stream/run_stream.h"
#include "shared/store/threads/inputs.h"
#include "shared/store/threads/messages.h"
#include "shared/submit/new_messages.h"
#include "shared/submit/refusals.h"

/* What on_busy says. */
enum when_busy { BUSY_REJECT, BUSY_QUEUE, BUSY_STEER };

static enum when_busy read_when_busy(struct request *request)
{
    struct text word = json_get_text(request->body, "on_busy");

    if (text_is(word, "queue"))
        return BUSY_QUEUE;
    return text_is(word, "steer") ? BUSY_STEER : BUSY_REJECT;
}

#define ATTEMPTS 5

/* To the thread, or behind its active run: that may end, and another begin, between the two. */
static int add(struct request *request, struct uuid thread, const struct message_draft *draft,
               struct message *out, struct uuid *out_active, struct error *err)
{
    enum when_busy busy = read_when_busy(request);
    struct text title = new_message_title(request->body, &request->exchange->arena);

    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        int r = messages_create(&request->store, thread, draft, title, out, out_active, err);

        if (r != THREAD_BUSY || busy == BUSY_REJECT)
            return r;
        r = inputs_add(&request->store, thread, draft, busy == BUSY_STEER, out, err);
        if (r != THREAD_IDLE)
            return r;
    }
    return error_set(err, E_UNAVAILABLE, "runs come and go too fast on this thread; try again");
}

static int full(struct request *request)
{
    return failure_param(
        &request->failure, 400, NULL, "thread_full",
        "Too much waits behind the active run of thread %.*s: at most %d messages.",
        TEXT_ARGS(request->exchange->params[0]), MESSAGE_DRAFTS_MAX);
}

/* What became of a message that was to be added, other than that it was. */
static int refused(struct request *request, int r, struct uuid active, struct error *err)
{
    struct text thread = request->exchange->params[0];

    switch (r) {
    case THREAD_MISSING:
        return request_missing(request, "thread", thread);
    case THREAD_BUSY:
        return message_refuse_busy(request, "add messages to", active,
                                   " With 'on_busy' it waits behind the run, or steers it.");
    case THREAD_FULL:
        return full(request);
    case THREAD_TOO_LARGE:
        return refuse_too_large(request->store.limits, &request->failure);
    case USER_OVER_QUOTA:
        return refuse_over_quota(request->store.limits, &request->failure);
    default:
        if (r > 0)
            (void)error_set(err, E_AMBIGUOUS, "not known whether the message was added");
        return request_failed(request, err);
    }
}

static int read_draft(struct request *request, struct message_draft *out)
{
    struct error err;
    int r = new_message_read(request->body, request->object, &request->exchange->arena, out, &err);

    return r < 0 ? request_failed(request, &err) : 0;
}

static int add_message(struct request *request, struct uuid thread)
{
    struct uuid active = {{0}};
    struct message_draft draft;
    struct message message;
    struct error err;
    int r = read_draft(request, &draft);

    if (r < 0)
        return r;
    r = request->replaying ? messages_get(&request->store, thread, draft.id, &message, &err)
                           : MESSAGE_MISSING;
    request->found = r == 0;
    if (r == MESSAGE_MISSING)
        r = add(request, thread, &draft, &message, &active, &err);
    request->found |= r == -E_CONFLICT;
    if (r == -E_AMBIGUOUS || r == -E_CONFLICT)
        r = messages_get(&request->store, thread, draft.id, &message, &err);
    if (r != 0)
        return refused(request, r, active, &err);
    message_show(request, &message);
    return 0;
}

/* The agent of a run that does not name one: the thread's. */
static int thread_agent(struct request *request, struct uuid thread, char out[ID_TEXT_SIZE])
{
    struct thread now;
    struct error err;
    int r = threads_get(&request->store, thread, &now, &err);

    if (r != 0)
        return refused(request, r, (struct uuid){{0}}, &err);
    if (uuid_is_zero(now.agent))
        return failure_param(&request->failure, 400, "run", "invalid_value",
                             "Invalid 'run': the thread belongs to no assistant. Say which one, as "
                             "in {\"run\": {\"assistant_id\": \"asst_…\"}}.");
    id_format(ID_ASSISTANT, now.agent, out);
    return 0;
}

/* The members of a message, without those that are not its own. */
static struct json_object *message_alone(struct json_object *body)
{
    static const char *const members[] = {"role", "content", "attachments", "metadata"};
    struct json_object *message = json_object_new_object();

    for (size_t i = 0; i < ARRAY_LENGTH(members); i++) {
        struct json_object *value = json_get(body, members[i]);

        if (value)
            json_object_object_add(message, members[i], json_object_get(value));
    }
    return message;
}

/* What is submitted: `run` as it is said, with the message as the only one. The caller puts it. */
static int run_request(struct request *request, struct uuid thread, struct json_object *said,
                       struct json_object **out)
{
    struct json_object *run = json_object_new_object();
    struct json_object *messages = json_object_new_array();
    char agent[ID_TEXT_SIZE];
    int r = 0;

    if (json_object_is_type(said, json_type_object)) {
        json_object_object_foreach(said, name, value)
        {
            json_object_object_add(run, name, json_object_get(value));
        }
    }
    json_object_array_add(messages, message_alone(request->body));
    json_object_object_add(run, "additional_messages", messages);
    if (read_when_busy(request) != BUSY_REJECT)
        json_object_object_add(run, "multitask_strategy", json_object_new_string("enqueue"));
    if (!json_has(run, "assistant_id")) {
        r = thread_agent(request, thread, agent);
        json_object_object_add(run, "assistant_id", json_object_new_string(r < 0 ? "" : agent));
    }
    *out = run;
    return r;
}

static int show_sent(struct request *request, struct uuid thread)
{
    char id[ID_TEXT_SIZE];
    struct message message;
    struct error err;
    int r = messages_get(&request->store, thread, request->object, &message, &err);

    if (r == MESSAGE_MISSING) { /* somebody has deleted it already */
        id_format(ID_MESSAGE, request->object, id);
        return request_missing(request, "message", text_of(id));
    }
    if (r < 0)
        return request_failed(request, &err);
    message_show(request, &message);
    return 0;
}

/* Behind the reply's last member. */
static void add_run(struct request *request, const struct run *run)
{
    struct buf *reply = &request->reply;

    if (reply->failed)
        return;
    ASSERT(reply->len > 0 && reply->ptr[reply->len - 1] == '}');
    reply->len--;
    buf_add_string(reply, ",\"run\":");
    if (run)
        render_run(run, reply);
    else
        buf_add_string(reply, "null");
    buf_add_char(reply, '}');
}

/* Message and run, both or none. The run's id is told by the message's, so that a second try of the
 * request finds both. */
static int send_with_run(struct request *request, struct uuid thread, struct json_object *said)
{
    CLEANUP(json_freep) struct json_object *run = NULL;
    struct submission submission = {
        .id = request->object, .message = request->object, .thread = thread, .as_input = true};
    struct submitted submitted;
    int r = run_request(request, thread, said, &run);

    if (r < 0)
        return r;
    submission.request = run;
    submission.id.bytes[sizeof(submission.id.bytes) - 2] ^= 1;
    r = run_make(request, &submission, &submitted);
    if (r == 0)
        r = show_sent(request, thread);
    if (r == 0)
        add_run(request, &submitted.run);
    return r;
}

/* 0: it steers the active run. THREAD_IDLE: there is none. */
static int try_to_steer(struct request *request, struct uuid thread)
{
    struct message_draft draft;
    struct message message;
    struct error err;
    int r = read_draft(request, &draft);

    if (r < 0)
        return r;
    r = inputs_add(&request->store, thread, &draft, true, &message, &err);
    request->found = r == -E_CONFLICT;
    if (r == -E_AMBIGUOUS || r == -E_CONFLICT)
        r = messages_get(&request->store, thread, draft.id, &message, &err);
    if (r == THREAD_IDLE)
        return r;
    if (r != 0)
        return refused(request, r, (struct uuid){{0}}, &err);
    message_show(request, &message);
    add_run(request, NULL);
    return 0;
}

static int message_create(struct request *request)
{
    struct json_object *run = json_get(request->body, "run");
    struct uuid thread;
    int r = request_id(request, 0, ID_THREAD, "thread", &thread);

    if (r < 0)
        return r;
    if (!json_object_is_type(run, json_type_object) && !json_object_get_boolean(run))
        return add_message(request, thread);
    r = read_when_busy(request) == BUSY_STEER ? try_to_steer(request, thread) : THREAD_IDLE;
    return r == THREAD_IDLE ? send_with_run(request, thread, run) : r;
}

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/threads/{thread_id}/messages",
     .handle = message_create, .stream = run_stream, .query = stream_query,
     .takes = TAKES_JSON, .body = &body_create_message, .flags = ENDPOINT_CREATES},
};
/* clang-format on */

const struct endpoint_table message_create_endpoints = ENDPOINT_TABLE(table);
