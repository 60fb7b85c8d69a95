#pragma once
/* What the endpoints of memories share. */

#include "scheduler/api/request.h"
#include "shared/json/json_write.h"
#include "shared/store/users/memories.h"

/* Writes the members of a memory into an object that is open. */
void memory_write(struct json_write *write, struct text user, const struct memory *memory);

/* The vector of a text, for the request's tenant and this user; of a question, or of what is to be
 * found. Returns 0 with *out_vector and *out_model in the exchange's arena, both TEXT_NONE where
 * the model can't be asked now; or -E_INVALID with the failure. */
SUSPENDS MUSTCHECK int memory_vector(struct request *request, struct text user, struct text said,
                                     bool is_question, struct text *out_vector,
                                     struct text *out_model);

/* The text of a body, in form. A field_check_fn. */
int check_memory_text(struct json_object *value, const struct path *path, struct failure *failure);
