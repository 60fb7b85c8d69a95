/* Ids of events, as clients bring them, and drafts, as frames of anybody make them. An id that is
 * read is written as one that reads the same; a draft stays within its bounds, whatever it takes,
 * and its texts are valid. */

#include "scheduler/live/draft.h"
#include "scheduler/live/shown.h"
#include "scheduler/live/story.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_id(struct text id)
{
    CLEANUP(buf_deinit) struct buf written;
    CLEANUP(buf_deinit) struct buf again;
    struct shown shown;
    struct shown same;

    buf_init(&written, 0);
    buf_init(&again, 0);
    if (!shown_parse(id, &shown))
        return;
    shown_write(&shown, &written);
    ASSERT(shown_parse(buf_text(&written), &same));
    shown_write(&same, &again);
    ASSERT(text_equal(buf_text(&written), buf_text(&again)));
}

static void take(void *arg, const struct story_event *event)
{
    size_t *events = arg;

    ASSERT(text_is_utf8(event->text));
    (*events)++;
}

/* A reader who says that he has seen this is told of the draft. */
static void tell(struct text id, const struct draft *draft)
{
    const struct run run = {.status = RUN_IN_PROGRESS, .started_at = 1};
    size_t events = 0;
    struct story story = {.tell = take, .arg = &events};

    if (!shown_parse(id, &story.shown))
        return;
    story_run(&story, &run);
    story_draft(&story, draft);
    story_standing(&story);
    events = 0;
    story_draft(&story, draft);
    ASSERT(events == 0);
}

static void read_frames(struct text id, struct text bytes)
{
    struct draft draft = {.gap = false};
    struct frame frame;

    while (frame_next(&bytes, &frame))
        (void)draft_take(&draft, &frame);
    ASSERT(draft.text.len + draft.reasoning.len <= DRAFT_BYTES_MAX);
    ASSERT(text_is_utf8(buf_text(&draft.text)) && draft.calls_count <= DRAFT_CALLS_MAX);
    tell(id, &draft);
    draft_drop(&draft);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text rest = {(const char *)data + 1, size - 1};
    size_t cut;

    if (size < 1)
        return 0;
    read_id(rest);
    cut = data[0] < rest.len ? data[0] : rest.len;
    read_frames((struct text){rest.ptr, cut}, (struct text){rest.ptr + cut, rest.len - cut});
    return 0;
}
