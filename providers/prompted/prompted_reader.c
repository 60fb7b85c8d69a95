/* The reader: a loop over the text that looks for '<', and keeps count of code blocks. */

#include "providers/prompted/prompted_reader.h"

#include "providers/prompted/prompted_bare.h"

#define CALL_TAG   "tool_call"
#define RESULT_TAG "tool_result"

/* Up to here a beginning is looked at again with each piece; longer ones are held to the end. */
#define BEGINNING_BYTES 1024

/* A call that is not complete is read again when more has come: at first with each piece, then only
 * as long as all that was read in vain is within this many times what came. */
#define SOON_BYTES 256
#define TRIED_MAX  8

/* At the end a call whose JSON does not end is read up to the next tag, and that JSON might end
 * behind it is found out before. After so many bytes it is no longer: thousands of beginnings
 * without an end would else take seconds. */
#define IN_VAIN_MAX ((uint64_t)16 << 20)

#define FENCE_MIN    3 /* marks that open a code block */
#define INDENT_MAX   3 /* blanks before them */
#define BETWEEN_TEXT TEXT("\n\n")

void prompted_reader_init(struct prompted_reader *reader, const struct chat_request *request,
                          const struct prompted_handler *handler)
{
    bool offers = request->tools_count > 0 && request->tool_choice.kind != CHAT_TOOL_CHOICE_NONE;

    *reader = (struct prompted_reader){
        .request = request, .handler = *handler, .state = offers ? READER_START : READER_PLAIN};
    buf_init(&reader->held, 0);
    buf_init(&reader->blanks, 0);
}

void prompted_reader_deinit(struct prompted_reader *reader)
{
    buf_deinit(&reader->held);
    buf_deinit(&reader->blanks);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* ---- what is handed on ---- */

static void hand_on(struct prompted_reader *reader, struct text text)
{
    if (text.len > 0)
        reader->handler.text(reader->handler.arg, text);
}

static void hand_text(struct prompted_reader *reader, struct text text)
{
    struct text core = text;

    while (core.len > 0 && is_blank(core.ptr[core.len - 1]))
        core.len--;
    if (core.len > 0) {
        if (reader->after_call) {
            core = text_trim(core);
            if (reader->has_text)
                hand_on(reader, BETWEEN_TEXT);
        } else {
            hand_on(reader, buf_text(&reader->blanks));
        }
        buf_reset(&reader->blanks);
        hand_on(reader, core);
        reader->has_text = true;
        reader->after_call = false;
    }
    buf_add(&reader->blanks, core.ptr + core.len,
            (size_t)(text.ptr + text.len - core.ptr) - core.len);
}

static void hand_calls(struct prompted_reader *reader, const struct prompted_calls *calls)
{
    bool one = reader->request->parallel_tool_calls == CHAT_SWITCH_OFF;

    for (size_t i = 0; i < calls->count; i++) {
        if (reader->calls == (one ? 1 : PROMPTED_REPLY_CALLS_MAX))
            break;
        reader->calls++;
        reader->handler.call(reader->handler.arg, &calls->items[i]);
    }
    reader->after_call = true;
    buf_reset(&reader->blanks);
}

/* ---- code blocks ---- */

static void begin_line(struct prompted_reader *reader)
{
    reader->line = LINE_BLANKS;
    reader->line_mark = 0;
    reader->line_marks = reader->line_blanks = 0;
}

static void end_line(struct prompted_reader *reader)
{
    bool marks = reader->line_marks >= FENCE_MIN;

    if (!reader->fence && marks) {
        reader->fence = reader->line_mark;
        reader->fence_len = reader->line_marks;
    } else if (reader->fence == reader->line_mark && reader->line != LINE_OTHER &&
               reader->line_marks >= reader->fence_len) {
        reader->fence = 0;
    }
    begin_line(reader);
}

/* Behind grave accents that open a block there are no others: that is code within a line. */
static void other_byte(struct prompted_reader *reader, char c)
{
    reader->line = LINE_OTHER;
    if (reader->line_marks < FENCE_MIN || (c == '`' && reader->line_mark == '`'))
        reader->line_marks = 0;
}

static void line_byte(struct prompted_reader *reader, char c)
{
    switch (reader->line) {
    case LINE_BLANKS:
        if (c == ' ' && reader->line_blanks < INDENT_MAX) {
            reader->line_blanks++;
        } else if (c == '`' || c == '~') {
            reader->line = LINE_MARKS;
            reader->line_mark = c;
            reader->line_marks = 1;
        } else {
            other_byte(reader, c);
        }
        break;
    case LINE_MARKS:
        if (c == reader->line_mark)
            reader->line_marks++;
        else if (is_blank(c))
            reader->line = LINE_BEHIND;
        else
            other_byte(reader, c);
        break;
    case LINE_BEHIND:
    case LINE_OTHER:
        if (!is_blank(c))
            other_byte(reader, c);
        break;
    }
}

static void take_byte(struct prompted_reader *reader, char c)
{
    reader->before = c;
    if (c == '\n')
        end_line(reader);
    else
        line_byte(reader, c);
}

/* Whether what stands here is code of a longer text. */
static bool is_code(const struct prompted_reader *reader)
{
    return reader->fence || reader->line_marks >= FENCE_MIN || reader->before == '`';
}

/* ---- calls ---- */

/* Reads what is held from `at` on as a call. Returns how many bytes it takes, 0 when it needs more,
 * or SIZE_MAX when it is text. */
static size_t read_call(struct prompted_reader *reader, size_t at, bool last)
{
    struct prompted_source source = {
        .in = {buf_string(&reader->held) + at, reader->held.len - at},
        .request = reader->request,
        .last = last,
        .hasty = reader->in_vain > IN_VAIN_MAX,
    };
    struct prompted_calls calls;
    enum call_result result;
    size_t len;

    result = prompted_call_read(&source, &calls, &len);
    if (result == CALL_MORE) {
        reader->tried += source.in.len;
        return 0;
    }
    reader->in_vain += last ? calls.in_vain : 0;
    if (result == CALL_NONE)
        return SIZE_MAX;
    hand_calls(reader, &calls);
    return len;
}

static bool may_try(const struct prompted_reader *reader, size_t at)
{
    return reader->held.len - at <= SOON_BYTES || reader->tried <= reader->fed * TRIED_MAX;
}

/* At a '<'. Returns READER_TEXT when it is text, READER_START when it can't be told yet. */
static enum reader_state look_at_tag(const struct prompted_reader *reader, size_t at)
{
    struct text in = {buf_string(&reader->held) + at, reader->held.len - at};
    enum call_result call = is_code(reader) ? CALL_NONE : prompted_tag(in, CALL_TAG);
    enum call_result result =
        is_code(reader) || reader->calls == 0 ? CALL_NONE : prompted_tag(in, RESULT_TAG);

    if (call == CALL_READ)
        return READER_CALL;
    if (result == CALL_READ)
        return READER_RESULT;
    return call == CALL_MORE || result == CALL_MORE ? READER_START : READER_TEXT;
}

/* ---- the loop ---- */

enum mode {
    MODE_FEED, /* more may follow */
    MODE_CUT,  /* nothing does, but it should */
    MODE_LAST,
};

struct scan {
    size_t at;   /* of `held`: before it all was looked at */
    size_t from; /* of it: before it all was handed on */
};

static void hand_up_to(struct prompted_reader *reader, struct scan *scan)
{
    hand_text(reader, (struct text){buf_string(&reader->held) + scan->from, scan->at - scan->from});
    scan->from = scan->at;
}

/* A call begins at scan->at. False: it can't be told yet. */
static bool scan_call(struct prompted_reader *reader, struct scan *scan, enum mode mode)
{
    size_t len;

    if (mode == MODE_FEED && !may_try(reader, scan->at))
        return false;
    len = read_call(reader, scan->at, mode == MODE_LAST);
    if (len == 0)
        return false;
    reader->state = READER_TEXT;
    if (len == SIZE_MAX) {
        take_byte(reader, '<');
        scan->at++;
        return true;
    }
    scan->at += len;
    scan->from = scan->at;
    reader->before = 0;
    begin_line(reader);
    return true;
}

/* Up to the next tag. False: what stands at scan->at can't be told yet. */
static bool scan_text(struct prompted_reader *reader, struct scan *scan, enum mode mode)
{
    const char *bytes = buf_string(&reader->held);

    for (; scan->at < reader->held.len; scan->at++) {
        enum reader_state next = READER_TEXT;

        if (bytes[scan->at] == '<')
            next = look_at_tag(reader, scan->at);
        if (next == READER_TEXT || (next == READER_START && mode == MODE_LAST)) {
            take_byte(reader, bytes[scan->at]);
            continue;
        }
        hand_up_to(reader, scan);
        if (next == READER_START)
            return false;
        reader->state = next;
        return true;
    }
    hand_up_to(reader, scan);
    return true;
}

static void scan_all(struct prompted_reader *reader, enum mode mode)
{
    struct scan scan = {0};
    bool on = true;

    while (on && scan.at < reader->held.len) {
        if (reader->state == READER_RESULT)
            scan.at = scan.from = reader->held.len;
        else if (reader->state == READER_CALL)
            on = scan_call(reader, &scan, mode);
        else
            on = scan_text(reader, &scan, mode);
    }
    if (scan.from > 0)
        buf_consume(&reader->held, scan.from);
}

void prompted_reader_feed(struct prompted_reader *reader, struct text piece)
{
    if (reader->state == READER_PLAIN) {
        hand_on(reader, piece);
        return;
    }
    reader->fed += piece.len;
    buf_add_text(&reader->held, piece);
    if (reader->state == READER_START) {
        if (reader->begun >= BEGINNING_BYTES)
            return;
        reader->begun = reader->held.len;
        if (prompted_bare_begins(buf_text(&reader->held), reader->request))
            return;
        reader->state = READER_TEXT;
    }
    scan_all(reader, MODE_FEED);
}

/* Hands on the calls of a code block that has nothing else in it. */
static bool block_of_calls(struct prompted_reader *reader, struct text in, bool hand)
{
    struct prompted_source source = {.request = reader->request, .last = true};
    struct prompted_calls calls;
    size_t len;

    if (!prompted_block(in, &source.in) || source.in.len == 0)
        return false;
    while (source.in.len > 0) {
        if (source.in.ptr[0] != '<' || prompted_tag(source.in, CALL_TAG) != CALL_READ ||
            prompted_call_read(&source, &calls, &len) != CALL_READ)
            return false;
        reader->in_vain += calls.in_vain;
        source.hasty = reader->in_vain > IN_VAIN_MAX;
        if (hand)
            hand_calls(reader, &calls);
        source.in = text_trim((struct text){source.in.ptr + len, source.in.len - len});
    }
    return true;
}

static bool hand_bare(struct prompted_reader *reader, struct text in)
{
    struct prompted_calls calls;

    if (prompted_bare_read(in, reader->request, &calls) != CALL_READ)
        return false;
    hand_calls(reader, &calls);
    return true;
}

/* What was held since the very beginning. */
static void finish_start(struct prompted_reader *reader)
{
    struct text in = buf_text(&reader->held);

    if (hand_bare(reader, in)) {
        buf_reset(&reader->held);
    } else if (block_of_calls(reader, in, false)) {
        (void)block_of_calls(reader, in, true);
        buf_reset(&reader->held);
    }
    reader->state = READER_TEXT;
}

int prompted_reader_finish(struct prompted_reader *reader, bool cut, struct error *err)
{
    int r = buf_check(&reader->held, err);

    if (r == 0)
        r = buf_check(&reader->blanks, err);
    if (reader->state == READER_START)
        finish_start(reader);
    scan_all(reader, cut ? MODE_CUT : MODE_LAST);
    if (reader->calls == 0)
        hand_on(reader, buf_text(&reader->blanks));
    buf_reset(&reader->blanks);
    buf_reset(&reader->held);
    return r;
}
