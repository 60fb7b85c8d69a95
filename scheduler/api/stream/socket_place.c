/* Places as text. */

#include "scheduler/api/stream/socket_place.h"

#define US_MAX ((int64_t)1 << 55) /* the year 3111 */

void socket_place_write(const struct socket_place *place, struct buf *out)
{
    char run[ID_TEXT_SIZE];

    if (uuid_is_zero(place->run)) {
        buf_add_string(out, "at.");
        buf_add_int(out, place->us);
        return;
    }
    id_format(ID_RUN, place->run, run);
    buf_add_string(out, run);
    buf_add_char(out, '.');
    shown_write(&place->shown, out);
}

bool socket_place_parse(struct text text, struct socket_place *out)
{
    struct socket_place place = {.us = 0};
    struct text head;
    struct text rest;

    if (!text_cut(text, '.', &head, &rest))
        return false;
    if (text_is(head, "at")) {
        if (!text_to_int(rest, &place.us) || place.us < 0 || place.us > US_MAX)
            return false;
    } else if (!id_parse(ID_RUN, head, &place.run) || uuid_is_zero(place.run) ||
               !shown_parse(rest, &place.shown)) {
        return false;
    }
    *out = place;
    return true;
}
