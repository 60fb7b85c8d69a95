#pragma once
/* The story of a run: from what a reader was shown (shown.h) to what there is, as events in the
 * order in which they may be told. Pure.
 *
 * What is stored is told as it is, and what a model is saying (draft.h) as a part of what will be
 * stored. One step is open at a time, and in it one message or its calls:
 *
 *     run: created, queued, in progress ── step begins, works ─┬─ message: begins, text…, ends
 *           ▲                    │                             └─ call: arguments…, output; next
 *           │                    ▼
 *           └── requires action, cancelling, or the end  ◄────── step ends
 *
 * A reply that was told of and never stored (its worker died) ends as an incomplete message of a
 * failed step. Each vocabulary (assistants_events.c, simple_events.c) is a function that writes
 * these events down.
 */

#include "scheduler/live/draft.h"
#include "scheduler/live/shown.h"
#include "shared/base/compiler.h"
#include "shared/store/runs/run_steps.h"
#include "shared/store/runs/runs.h"
#include "shared/store/threads/messages.h"

enum story_kind {
    STORY_RUN, /* run: its status as it is told */
    STORY_STEP_BEGINS,
    STORY_STEP_WORKS,
    STORY_STEP_ENDS, /* step->status says how */
    STORY_MESSAGE_BEGINS,
    STORY_MESSAGE_WORKS,
    STORY_TEXT, /* text, or (refuses) why it refuses */
    STORY_MESSAGE_ENDS,
    STORY_CALL,      /* number, call_id, name */
    STORY_ARGUMENTS, /* number, text */
    STORY_OUTPUT,    /* number, text: what came of the call */
    STORY_THINKING,  /* text: what it thinks before it answers */
};

struct story_event {
    enum story_kind kind;
    const struct run *run;         /* of STORY_RUN as it was, or may have been, then */
    const struct run *now;         /* as it is now */
    const struct run_step *step;   /* NULL: of STORY_RUN and STORY_THINKING */
    const struct message *message; /* of STORY_MESSAGE_* and STORY_TEXT */
    struct text text;
    bool refuses;
    bool lost; /* of STORY_MESSAGE_ENDS and STORY_STEP_ENDS: it was told, and will not be stored */
    size_t number;
    struct text call_id;
    struct text name;
    const struct shown *shown; /* with this event */
};

struct story {
    struct shown shown;
    bool is_stored; /* the open step is */
    const struct run *run;
    void (*tell)(void *arg, const struct story_event *event);
    void *arg;
};

/* The run itself, before its steps. `run` must live as long as it is the story's. */
void story_run(struct story *story, const struct run *run);

/* A stored step, in the order of their numbers, and before it what the model thought. `message` is
 * that of a message creation; NULL: it was deleted, and nothing of the step is told. */
void story_step(struct story *story, const struct run_step *step, const struct message *message);

/* Behind the steps. */
void story_draft(struct story *story, const struct draft *draft);

/* The run needs its client, is being cancelled, or has ended. */
void story_standing(struct story *story);
