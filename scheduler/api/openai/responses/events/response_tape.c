#include "scheduler/api/openai/responses/events/response_tape.h"

#include <string.h>

#include "shared/sse/sse.h"

#define TEXTS_MAX ((size_t)32 << 20)

void response_tape_init(struct response_tape *tape, struct request *request, int64_t after)
{
    *tape = (struct response_tape){.request = request, .after = after, .number = -1};
    buf_init(&tape->thoughts, TEXTS_MAX);
    buf_init(&tape->functions, 0);
    buf_init(&tape->call_id, 0);
    buf_init(&tape->name, 0);
    buf_init(&tape->arguments, TEXTS_MAX);
}

void response_tape_deinit(struct response_tape *tape)
{
    buf_deinit(&tape->thoughts);
    buf_deinit(&tape->functions);
    buf_deinit(&tape->call_id);
    buf_deinit(&tape->name);
    buf_deinit(&tape->arguments);
}

bool tape_begin(struct response_tape *tape, struct tape_event *event, const char *type,
                size_t counts)
{
    tape->number += (int64_t)counts;
    if (tape->number <= tape->after)
        return false;
    event->type = type;
    buf_init(&event->json, 0);
    json_write_init(&event->w, &event->json);
    json_write_open_object(&event->w, NULL);
    json_write_string(&event->w, "type", type);
    json_write_int(&event->w, "sequence_number", tape->number);
    return true;
}

void tape_end(struct tape_event *event, struct buf *out)
{
    json_write_close(&event->w);
    if (event->json.failed)
        out->failed = true;
    else
        sse_write(out, text_of(event->type), buf_text(&event->json));
    buf_deinit(&event->json);
}

void tape_lose(struct response_tape *tape)
{
    tape->number += RESPONSE_NUMBERS_LOST;
}

void tape_where(struct tape_event *event, struct item_id item, size_t place)
{
    char id[ITEM_ID_SIZE];

    item_id_format(item, id);
    json_write_string(&event->w, "item_id", id);
    json_write_int(&event->w, "output_index", (int64_t)place);
}

/* Of a piece: what its reader lacks of it. */
static struct text cut(const struct response_tape *tape, struct text text)
{
    int64_t known = tape->after - (tape->number - (int64_t)text.len);

    if (known > 0) {
        text.ptr += known;
        text.len -= (size_t)known;
    }
    while (text.len > 0 && ((unsigned char)text.ptr[0] & 0xC0) == 0x80) {
        text.ptr++;
        text.len--;
    }
    return text;
}

void tape_piece(struct response_tape *tape, struct buf *out, const char *type, struct item_id item,
                size_t place, struct text text)
{
    bool of_message = item.kind == ITEM_MESSAGE;
    struct tape_event event;

    if (!tape_begin(tape, &event, type, text.len))
        return;
    tape_where(&event, item, place);
    if (of_message)
        json_write_int(&event.w, "content_index", 0);
    if (item.kind == ITEM_THOUGHT)
        json_write_int(&event.w, "summary_index", 0);
    json_write_text(&event.w, "delta", cut(tape, text));
    if (strcmp(type, TAPE_TEXT_DELTA) == 0)
        json_write_raw(&event.w, "logprobs", TEXT("[]"));
    tape_end(&event, out);
}
