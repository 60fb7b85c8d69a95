#pragma once
/* Members of OpenAI's bodies that are not offered, since they can't be said to every provider, or
 * since there is nothing here that does them. Pure. */

#include "shared/check/failure.h"
#include "shared/check/fields.h"

/* 400 unsupported_parameter. Returns -E_INVALID. */
int refuse_parameter(const struct path *path, struct failure *failure);

/* What a member of another API is called in this one. */
struct renamed {
    const char *name;
    const char *here; /* NULL ends a list */
};

/* The check of a member with FIELD_ELSEWHERE whose name is in the list: 400 unsupported_parameter
 * with what it is called in `api`. Returns -E_INVALID. */
int refuse_renamed(const struct renamed *list, const char *api, const struct path *path,
                   struct failure *failure);

/* Passes what asks for nothing, as many clients send it: null, false, 0, and what is empty. */
int check_nothing(struct json_object *value, const struct path *path, struct failure *failure);

/* A row of a table of members. */
#define NOT_OFFERED(name)                                                                          \
    {                                                                                              \
        name, FIELD_ANY, FIELD_NULLABLE | FIELD_NOT_OFFERED, 0, 0, NULL, check_nothing             \
    }
