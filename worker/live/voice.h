#pragma once
/* The voice of a run: what its model has said of the reply that it is making, and how much of that
 * was told. Pure: speaker.h sends what is told.
 *
 * It is silent unless somebody listened when the reply began, or the reply comes in pieces anyway:
 * then its beginning is kept for who comes to listen in the midst of it. A reply that is above
 * VOICE_BYTES_MAX (before anybody listens, VOICE_UNHEARD_BYTES_MAX) is told no further: who listens
 * gets the rest when it is stored. Arguments are told as they will be stored (reply_form.h):
 * without blanks around them, and only where they are an object.
 */

#include "providers/chat_event.h"
#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/list.h"
#include "shared/base/text.h"
#include "shared/events/frame.h"

#define VOICE_BYTES_MAX         ((size_t)1 << 20)
#define VOICE_UNHEARD_BYTES_MAX ((size_t)64 << 10)
#define VOICE_CALLS_MAX         128

/* A text that grows. */
struct voice_part {
    enum frame_kind kind;
    uint32_t number;
    struct buf said;
    size_t told;
};

struct voice_call {
    struct buf id;
    struct buf name;
    size_t behind; /* bytes of text that came before */
    bool told;
    struct voice_part arguments;
};

struct voice {
    struct list bucket;  /* of those that speak, by their runs: the speaker's */
    struct list pending; /* of those that have something to be told: the speaker's */
    bool speaks;
    bool heard; /* somebody listens, or did */
    struct uuid run;
    struct uuid reply;
    uint32_t writes; /* of the run, before the reply began */
    struct voice_part text;
    struct voice_part reasoning;
    struct voice_call *calls;
    size_t calls_count;
    size_t bytes;
    bool full; /* more was said than is kept */
};

/* Zeroed memory is a silent voice. Of a silent one this does nothing. */
void voice_deinit(struct voice *voice);

/* A reply begins, which has this id; what was said of the one before is forgotten. `heard`: by
 * somebody, from the beginning. */
void voice_begin(struct voice *voice, struct uuid run, struct uuid reply, bool heard);

void voice_hear(struct voice *voice, const struct chat_event *event);

/* Bytes that were said and not told. */
size_t voice_untold(const struct voice *voice);

/* Appends frames: what was not told yet, or (whole) all. voice_told: that all was. */
void voice_tell(const struct voice *voice, bool whole, struct buf *out);
void voice_told(struct voice *voice);
