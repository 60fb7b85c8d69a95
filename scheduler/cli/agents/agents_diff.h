#pragma once
/* What `penstock apply` would change: the wanted agents against those that are there. Pure. */

#include "shared/base/text.h"
#include "shared/json/json.h"

enum agents_change { AGENTS_SAME, AGENTS_CREATE, AGENTS_UPDATE, AGENTS_DELETE };

/* Whether two values say the same: null members count as absent, numbers by value. */
bool agents_diff_same(struct json_object *a, struct json_object *b);

/* Compares one wanted agent with the one there is (NULL: none). *out_body is what to POST (a field
 * that the file no longer has is null), the caller's; NULL when nothing changes. */
enum agents_change agents_diff(struct json_object *wanted, struct json_object *have,
                               struct json_object **out_body);

/* One line of a diff as it is shown. */
enum agents_line { AGENTS_LINE_PLAIN, AGENTS_LINE_ADDED, AGENTS_LINE_REMOVED };
typedef void (*agents_line_fn)(void *arg, enum agents_line kind, struct text line);

/* Say field by field how `body` changes `have` (which may be NULL). Texts of several lines are
 * compared line by line, what they begin and end with alike left out. */
void agents_diff_show(struct json_object *have, struct json_object *body, agents_line_fn line,
                      void *arg);
