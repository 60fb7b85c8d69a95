/* What a model says, part by part. */

#include "worker/live/voice.h"

#include <stdlib.h>

#include "shared/base/memory.h"

static void part_init(struct voice_part *part, enum frame_kind kind, uint32_t number)
{
    *part = (struct voice_part){.kind = kind, .number = number};
    buf_init(&part->said, 0);
}

static void forget(struct voice *voice)
{
    buf_deinit(&voice->text.said);
    buf_deinit(&voice->reasoning.said);
    for (size_t i = 0; i < voice->calls_count; i++) {
        buf_deinit(&voice->calls[i].id);
        buf_deinit(&voice->calls[i].name);
        buf_deinit(&voice->calls[i].arguments.said);
    }
    free(voice->calls);
    voice->calls = NULL;
    voice->calls_count = voice->bytes = 0;
    voice->full = false;
}

void voice_deinit(struct voice *voice)
{
    if (voice->speaks)
        forget(voice);
    voice->speaks = voice->heard = false;
}

void voice_begin(struct voice *voice, struct uuid run, struct uuid reply, bool heard)
{
    if (voice->speaks)
        forget(voice);
    voice->speaks = true;
    voice->heard = heard;
    voice->run = run;
    voice->reply = reply;
    part_init(&voice->text, FRAME_TEXT, 0);
    part_init(&voice->reasoning, FRAME_REASONING, 0);
}

static void say(struct voice *voice, struct voice_part *part, struct text text)
{
    buf_add_utf8(&part->said, text);
    voice->bytes += text.len;
}

/* Blanks before them are no part of the arguments. */
static void say_arguments(struct voice *voice, struct voice_part *part, struct text text)
{
    struct text rest = text_trim(text);

    if (part->said.len == 0) {
        if (rest.len == 0)
            return;
        text.len -= (size_t)(rest.ptr - text.ptr);
        text.ptr = rest.ptr;
    }
    say(voice, part, text);
}

static struct voice_call *find_call(struct voice *voice, size_t number)
{
    for (size_t i = 0; i < voice->calls_count; i++)
        if (voice->calls[i].arguments.number == number)
            return &voice->calls[i];
    return NULL;
}

static void add_call(struct voice *voice, const struct chat_event *event)
{
    struct voice_call *call;

    if (event->number >= VOICE_CALLS_MAX || find_call(voice, event->number))
        return;
    voice->calls = xrealloc(voice->calls, (voice->calls_count + 1) * sizeof(*voice->calls));
    call = &voice->calls[voice->calls_count++];
    call->told = false;
    call->behind = voice->text.said.len;
    part_init(&call->arguments, FRAME_ARGUMENTS, (uint32_t)event->number);
    buf_init(&call->id, 0);
    buf_init(&call->name, 0);
    buf_add_utf8(&call->id, text_prefix(event->id, 128));
    buf_add_utf8(&call->name, text_prefix(event->name, 64));
    voice->bytes += call->id.len + call->name.len;
}

void voice_hear(struct voice *voice, const struct chat_event *event)
{
    size_t max = voice->heard ? VOICE_BYTES_MAX : VOICE_UNHEARD_BYTES_MAX;
    struct voice_call *call;

    if (!voice->speaks || voice->full)
        return;
    voice->full = voice->bytes + event->text.len > max;
    if (voice->full) /* a later piece that is shorter would stand in the wrong place */
        return;
    switch (event->kind) {
    case CHAT_EVENT_REFUSAL:
        voice->text.kind = FRAME_REFUSAL;
        say(voice, &voice->text, event->text);
        break;
    case CHAT_EVENT_TEXT:
        say(voice, &voice->text, event->text);
        break;
    case CHAT_EVENT_REASONING:
        say(voice, &voice->reasoning, event->text);
        break;
    case CHAT_EVENT_CALL:
        add_call(voice, event);
        break;
    case CHAT_EVENT_ARGUMENTS:
        call = find_call(voice, event->number);
        if (call)
            say_arguments(voice, &call->arguments, event->text);
        break;
    case CHAT_EVENT_USAGE:
    case CHAT_EVENT_FINISH:
        break;
    }
}

/* Bytes that may be told. */
static size_t sayable(const struct voice_part *part)
{
    if (part->kind != FRAME_ARGUMENTS)
        return part->said.len;
    return part->said.len > 0 && part->said.ptr[0] == '{' ? text_trim(buf_text(&part->said)).len
                                                          : 0;
}

static size_t untold_of(const struct voice_part *part)
{
    return sayable(part) - part->told;
}

size_t voice_untold(const struct voice *voice)
{
    size_t bytes = 0;

    if (!voice->speaks)
        return 0;
    bytes = untold_of(&voice->text) + untold_of(&voice->reasoning);
    for (size_t i = 0; i < voice->calls_count; i++)
        bytes += untold_of(&voice->calls[i].arguments) + (voice->calls[i].told ? 0 : 1);
    return bytes;
}

/* Who has not heard of it does not begin with the answer. */
static uint32_t thought_before(const struct voice *voice, enum frame_kind kind)
{
    return kind == FRAME_REASONING ? 0 : (uint32_t)voice->reasoning.said.len;
}

static void tell_part(const struct voice *voice, const struct voice_part *part, bool whole,
                      struct buf *out)
{
    size_t from = whole ? 0 : part->told;
    struct frame frame = {
        .kind = part->kind,
        .run = voice->run,
        .reply = voice->reply,
        .writes = voice->writes,
        .thought = thought_before(voice, part->kind),
        .number = part->number,
        .offset = (uint32_t)from,
    };

    if (sayable(part) == from)
        return;
    frame.text = (struct text){part->said.ptr + from, sayable(part) - from};
    frame_write(out, &frame);
}

static void tell_call(const struct voice *voice, const struct voice_call *call, bool whole,
                      struct buf *out)
{
    struct frame frame = {
        .kind = FRAME_CALL,
        .run = voice->run,
        .reply = voice->reply,
        .writes = voice->writes,
        .thought = thought_before(voice, FRAME_CALL),
        .number = call->arguments.number,
        .offset = (uint32_t)call->behind,
        .text = buf_text(&call->id),
        .name = buf_text(&call->name),
    };

    if (whole || !call->told)
        frame_write(out, &frame);
    tell_part(voice, &call->arguments, whole, out);
}

void voice_tell(const struct voice *voice, bool whole, struct buf *out)
{
    if (!voice->speaks)
        return;
    tell_part(voice, &voice->reasoning, whole, out);
    tell_part(voice, &voice->text, whole, out);
    for (size_t i = 0; i < voice->calls_count; i++)
        tell_call(voice, &voice->calls[i], whole, out);
}

void voice_told(struct voice *voice)
{
    if (!voice->speaks)
        return;
    voice->text.told = voice->text.said.len;
    voice->reasoning.told = voice->reasoning.said.len;
    for (size_t i = 0; i < voice->calls_count; i++) {
        voice->calls[i].told = true;
        voice->calls[i].arguments.told = sayable(&voice->calls[i].arguments);
    }
}
