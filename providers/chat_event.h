#pragma once
/* What a reply is while it arrives: events, in the order in which the model made them. Events are
 * for those who watch. What is stored is the reply as a whole, after it was put into form
 * (reply_form.h): texts of events are valid UTF-8, names, ids and arguments are as the model wrote
 * them. Of a call that fails nothing holds any more. */

#include "providers/chat.h"

enum chat_event_kind {
    CHAT_EVENT_TEXT,      /* text: the next piece of the answer */
    CHAT_EVENT_REFUSAL,   /* text: the next piece of why it refuses */
    CHAT_EVENT_REASONING, /* text: the next piece of what it thinks, where that is told */
    CHAT_EVENT_CALL,      /* a call of a tool begins: number, id (may be empty), name */
    CHAT_EVENT_ARGUMENTS, /* text: the next piece of the arguments of call `number` */
    CHAT_EVENT_USAGE,     /* usage: of the call so far; a later one replaces it */
    CHAT_EVENT_FINISH,    /* finish: why it ends; usage may follow */
};

struct chat_event {
    enum chat_event_kind kind;
    struct text text;
    size_t number; /* of a call of a tool, from 0 */
    struct text id;
    struct text name;
    struct chat_usage usage;
    enum chat_finish finish;
};

/* Who watches. `emit` runs on the loop's stack and must not wait; what the event points to is valid
 * until it returns. */
struct chat_sink {
    void (*emit)(void *arg, const struct chat_event *event);
    void *arg;
};
