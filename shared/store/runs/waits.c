/* The kinds of open calls: see waits.h */

#include "shared/store/runs/waits.h"

static const struct wait waits[WAIT_KIND_COUNT] = {
    [WAIT_CLIENT] = {"client", true, WAIT_SETTLED_BY_CLIENT},
    [WAIT_TIME] = {"time", false, WAIT_SETTLED_BY_CLOCK},
    [WAIT_APPROVAL] = {"approval", true, WAIT_SETTLED_BY_APPROVER},
};

const struct wait *wait_of(enum wait_kind kind)
{
    ASSERT(kind > WAIT_NONE && kind < WAIT_KIND_COUNT);
    return &waits[kind];
}

bool wait_kind_parse(struct text name, enum wait_kind *out)
{
    if (!name.ptr) {
        *out = WAIT_NONE;
        return true;
    }
    for (enum wait_kind kind = WAIT_NONE + 1; kind < WAIT_KIND_COUNT; kind++) {
        if (text_is(name, waits[kind].name)) {
            *out = kind;
            return true;
        }
    }
    return false;
}
