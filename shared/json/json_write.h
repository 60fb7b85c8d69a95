#pragma once
/* Writing JSON text into a buf, member by member, with the commas in the right places.
 *
 *     struct json_write w;
 *
 *     json_write_init(&w, &buf);
 *     json_write_open_object(&w, NULL);
 *     json_write_string(&w, "object", "thread.run");
 *     json_write_text_if(&w, "model", model);
 *     json_write_open_array(&w, "tools");
 *     json_write_raw(&w, NULL, tool);
 *     json_write_close(&w);
 *     json_write_close(&w);
 *
 * `name` is the member's name in an object, and NULL in an array and at the top. Names are written
 * as they are: literals of ours that need no escape. Texts must be UTF-8, as buf_add_json says.
 * Where the buf reaches its limit it is `failed`, and its user checks that once at the end.
 *
 * A variant with _if leaves the member out when its value is absent (TEXT_NONE, a zero id); the
 * plain one writes null then. `raw` is JSON text, written as it is.
 */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/text.h"

#define JSON_WRITE_DEPTH 60 /* more open objects and arrays than this are a mistake of ours */

struct json_write {
    struct buf *out;
    int depth;
    uint64_t filled; /* bit n: what is open at depth n has a member */
    uint64_t arrays; /* bit n: what is open at depth n is an array */
};

/* Appends to `out`, which the caller owns and has initialised. */
void json_write_init(struct json_write *write, struct buf *out);

void json_write_open_object(struct json_write *write, const char *name);
void json_write_open_array(struct json_write *write, const char *name);
void json_write_close(struct json_write *write); /* what was opened last */

void json_write_text(struct json_write *write, const char *name, struct text value);
void json_write_text_if(struct json_write *write, const char *name, struct text value);
void json_write_string(struct json_write *write, const char *name, const char *value);
void json_write_int(struct json_write *write, const char *name, int64_t value);
void json_write_bool(struct json_write *write, const char *name, bool value);
void json_write_null(struct json_write *write, const char *name);
void json_write_raw(struct json_write *write, const char *name, struct text json);
void json_write_raw_if(struct json_write *write, const char *name, struct text json);

/* As the shortest decimal that is read back as the same number; null for what JSON can't say. */
void json_write_double(struct json_write *write, const char *name, double value);

/* An integer as a string: Postgres reads an int8 from that at once, and from a JSON number by way
 * of a numeric. */
void json_write_int_text(struct json_write *write, const char *name, int64_t value);

/* In its usual form. */
void json_write_uuid(struct json_write *write, const char *name, struct uuid value);
void json_write_uuid_if(struct json_write *write, const char *name, struct uuid value);

/* The member's name and the comma before it, for a value that the caller then appends to `out`
 * himself. */
void json_write_name(struct json_write *write, const char *name);
