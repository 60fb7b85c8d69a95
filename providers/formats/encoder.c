/* What the encoders of several formats share. */

#include "providers/formats/encoder.h"

#include <math.h>

#include "shared/base/error.h"
#include "shared/json/json_write.h"

void encoder_switch(struct json_write *write, const char *name, enum chat_switch value)
{
    if (value != CHAT_SWITCH_UNSET)
        json_write_bool(write, name, value == CHAT_SWITCH_ON);
}

int encoder_check_numbers(const struct chat_request *request, struct error *err)
{
    if ((request->has_temperature && !isfinite(request->temperature)) ||
        (request->has_top_p && !isfinite(request->top_p)) ||
        (request->has_presence_penalty && !isfinite(request->presence_penalty)) ||
        (request->has_frequency_penalty && !isfinite(request->frequency_penalty)))
        return error_set(err, E_INVALID, "temperature, top_p and penalties must be finite numbers");
    return 0;
}

void encoder_stops(struct json_write *write, const char *name, const struct chat_request *request)
{
    if (request->stops_count == 0)
        return;
    json_write_open_array(write, name);
    for (size_t i = 0; i < request->stops_count; i++)
        json_write_text(write, NULL, request->stops[i]);
    json_write_close(write);
}

void encoder_penalties(struct json_write *write, const char *presence, const char *frequency,
                       const struct chat_request *request)
{
    if (request->has_presence_penalty)
        json_write_double(write, presence, request->presence_penalty);
    if (request->has_frequency_penalty)
        json_write_double(write, frequency, request->frequency_penalty);
}

int64_t encoder_output_tokens(const struct provider_target *target,
                              const struct chat_request *request)
{
    int64_t most = target->output_tokens_max;

    return most > 0 && request->max_completion_tokens > most ? most
                                                             : request->max_completion_tokens;
}

size_t encoder_present_turn(const struct chat_request *request)
{
    size_t i = request->messages_count;

    while (i > 0 && request->messages[i - 1].role != CHAT_USER)
        i--;
    return i;
}

struct text encoder_called_name(const struct chat_request *request, size_t index)
{
    struct text id = request->messages[index].tool_call_id;

    for (size_t i = index; i > 0; i--) {
        const struct chat_message *message = &request->messages[i - 1];

        for (size_t k = 0; k < message->tool_calls_count; k++)
            if (text_equal(message->tool_calls[k].id, id))
                return message->tool_calls[k].name;
    }
    return TEXT_NONE;
}

/* Whether a call of that name stands before call `n` of message `m`. */
static bool was_called_before(const struct chat_request *request, size_t m, size_t n)
{
    struct text name = request->messages[m].tool_calls[n].name;

    for (size_t i = 0; i <= m; i++) {
        const struct chat_message *message = &request->messages[i];
        size_t count = i < m ? message->tool_calls_count : n;

        for (size_t k = 0; k < count; k++)
            if (text_equal(message->tool_calls[k].name, name))
                return true;
    }
    return false;
}

bool encoder_next_past_tool(const struct chat_request *request, struct encoder_past_tools *walk,
                            struct text *out_name)
{
    for (; walk->message < request->messages_count; walk->message++, walk->call = 0)
        while (walk->call < request->messages[walk->message].tool_calls_count &&
               walk->given < ENCODER_PAST_TOOLS_MAX) {
            size_t n = walk->call++;

            if (was_called_before(request, walk->message, n))
                continue;
            walk->given++;
            *out_name = request->messages[walk->message].tool_calls[n].name;
            return true;
        }
    return false;
}
