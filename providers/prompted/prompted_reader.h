#pragma once
/* Text and calls of tools, told apart in what a model writes, piece by piece.
 *
 *   - Text is handed on at once, but for blanks at its end and for what may be the beginning of a
 *     call: that is held until it is known which.
 *   - <tool_call> begins a call where prompted_call.h finds one. Behind a grave accent, and within
 *     a code block of a longer answer, it is text: an example of the notation is not carried out.
 *   - A text that as a whole is bare JSON, or one code block, is calls if it names tools that are
 *     offered.
 *   - <tool_result> behind a call is made up by the model, which can't know a result yet. It and
 *     all behind it are dropped.
 *   - Where calls are to be made one at a time the first counts and others are dropped.
 *   - Blanks around calls are dropped; texts before and behind calls have an empty line between
 *     them. A text without calls is handed on as it came.
 *
 * Nothing depends on how the text is cut into pieces. The whole costs time that is linear in it. */

#include "providers/prompted/prompted_call.h"
#include "shared/base/text.h"

struct prompted_handler {
    void (*text)(void *arg, struct text text);
    void (*call)(void *arg, const struct prompted_call *call); /* valid until it returns */
    void *arg;
};

enum reader_state {
    READER_START, /* nothing was handed on: what came may be bare JSON */
    READER_TEXT,
    READER_CALL,   /* what is held begins with <tool_call */
    READER_RESULT, /* a made-up result: what comes is dropped */
    READER_PLAIN,  /* no tools: all is text */
};

/* What was seen of a line. */
enum reader_line {
    LINE_BLANKS,
    LINE_MARKS,  /* grave accents or tildes */
    LINE_BEHIND, /* blanks behind them */
    LINE_OTHER,
};

#define PROMPTED_REPLY_CALLS_MAX 128 /* more are dropped; reply_form.h has the same bound */

struct prompted_reader {
    const struct chat_request *request; /* whose tools are offered; borrowed */
    struct prompted_handler handler;
    enum reader_state state;
    struct buf held;
    struct buf blanks; /* seen behind the last text, not handed on yet */
    size_t begun;      /* of `held`, looked at already whether it may be bare JSON */
    uint64_t fed;      /* bytes so far */
    uint64_t tried;    /* bytes that were read again since a call was not complete */
    uint64_t in_vain;  /* at the end: bytes that were read for ends that are not there */
    size_t calls;      /* handed on */
    bool has_text;     /* some was handed on */
    bool after_call;   /* since the last text there was a call */
    char before;       /* the last byte of the text; 0: there is none */
    char fence;        /* of the code block that is open: '`' or '~'; 0: none is */
    size_t fence_len;
    enum reader_line line;
    char line_mark;    /* what the line begins with, and how often */
    size_t line_marks; /* 0: with nothing that may open or close a code block */
    size_t line_blanks;
};

void prompted_reader_init(struct prompted_reader *reader, const struct chat_request *request,
                          const struct prompted_handler *handler);
void prompted_reader_deinit(struct prompted_reader *reader);

void prompted_reader_feed(struct prompted_reader *reader, struct text piece);

/* Nothing follows. `cut`: the model was stopped; a call that it had not ended is dropped. Returns
 * 0, or -E_LIMIT when more was held than there is room for. */
MUSTCHECK int prompted_reader_finish(struct prompted_reader *reader, bool cut, struct error *err);
