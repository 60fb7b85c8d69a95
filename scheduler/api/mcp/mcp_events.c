/* The progress of a run as notifications, and the answer of the call as the last event.
 *
 * Progress counts up by one with each notification, since nobody knows how much there will be. Text
 * is not told piece by piece: the answer has it. What says nothing new is said every 15 s all the
 * same, since clients that renew their patience with each notification would lose it while a model
 * thinks. */

#include <stdio.h>

#include "scheduler/api/mcp/mcp.h"
#include "scheduler/api/stream/event_format.h"

enum { NAME_MAX_SHOWN = 64 };

static void write_progress(struct mcp_progress *progress, struct buf *out, const char *message)
{
    struct event_sink sink = event_sink(NULL, out);
    size_t data = event_begin(&sink, NULL, "", "message");
    struct json_write w;

    json_write_init(&w, out);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "jsonrpc", "2.0");
    json_write_string(&w, "method", "notifications/progress");
    json_write_open_object(&w, "params");
    json_write_raw(&w, "progressToken", progress->mcp->token);
    json_write_int(&w, "progress", ++progress->told);
    json_write_string(&w, "message", message);
    json_write_close(&w);
    json_write_close(&w);
    event_end(&sink, data);
}

/* The first one names the run, so that who loses the answer can ask for it. */
static void write_run(struct mcp_progress *progress, struct buf *out,
                      const struct story_event *event)
{
    char id[ID_TEXT_SIZE];
    char message[128];

    if (run_status_terminal(event->run->status) || event->run->status == RUN_REQUIRES_ACTION)
        return; /* which the answer says */
    id_format(ID_RUN, progress->run, id);
    (void)snprintf(message, sizeof(message), "Run %s is %s.", id,
                   event->shown->run == SHOWN_CREATED ? "made"
                                                      : run_status_name(event->run->status));
    write_progress(progress, out, message);
}

static void write_call(struct mcp_progress *progress, struct buf *out, struct text name)
{
    char shown[NAME_MAX_SHOWN];
    char message[128];

    text_excerpt(name, shown, sizeof(shown));
    (void)snprintf(message, sizeof(message), "It calls %s.", shown);
    write_progress(progress, out, message);
}

static void write_event(void *memory, struct buf *out, const struct story_event *event)
{
    struct mcp_progress *progress = memory;

    switch (event->kind) {
    case STORY_RUN:
        write_run(progress, out, event);
        break;
    case STORY_CALL:
        write_call(progress, out, event->name);
        break;
    case STORY_STEP_ENDS:
        if (event->step->type == STEP_TOOL_CALLS)
            write_progress(progress, out, "Its tools have answered.");
        break;
    case STORY_MESSAGE_BEGINS:
        write_progress(progress, out, "It writes an answer.");
        break;
    case STORY_THINKING:
    case STORY_TEXT:
    case STORY_STEP_BEGINS:
    case STORY_STEP_WORKS:
    case STORY_MESSAGE_WORKS:
    case STORY_MESSAGE_ENDS:
    case STORY_ARGUMENTS:
    case STORY_OUTPUT:
        break;
    }
}

static void write_answer(struct buf *out, struct text answer)
{
    struct event_sink sink = event_sink(NULL, out);
    size_t data = event_begin(&sink, NULL, "", "message");

    buf_add_text(out, answer);
    event_end(&sink, data);
}

/* The row that its reader has may be bare, or older: it is read once more, with the answer. */
static int end(void *memory, struct buf *out, const struct run *run, const struct shown *shown,
               struct error *err)
{
    struct mcp_progress *progress = memory;
    struct request *request = progress->mcp->request;
    CLEANUP(buf_deinit) struct buf answer = {0};
    int r;

    (void)run;
    (void)shown;
    buf_init(&answer, 0);
    r = mcp_show_run(progress->mcp, progress->run, false, &answer);
    request_rest(request);
    if (r < 0 && request->failure.status >= 500)
        return error_set(err, E_UNAVAILABLE, "%s", request->failure.message);
    if (r < 0)
        mcp_write_refusal(&progress->mcp->message, request->failure.message, &answer);
    write_answer(out, buf_text(&answer));
    return 0;
}

static void error(void *memory, struct buf *out, const char *code, const char *message)
{
    struct mcp_progress *progress = memory;
    CLEANUP(buf_deinit) struct buf answer = {0};

    (void)code;
    buf_init(&answer, 0);
    mcp_write_refusal(&progress->mcp->message, message, &answer);
    write_answer(out, buf_text(&answer));
}

static void idle(void *memory, struct buf *out)
{
    write_progress(memory, out, "It is at work.");
}

const struct event_format mcp_events = {NULL, write_event, end, error, idle};
