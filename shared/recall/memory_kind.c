#include "shared/recall/memory_kind.h"

const char *const memory_kind_names[] = {
    [MEMORY_FACT] = "fact",
    [MEMORY_PREFERENCE] = "preference",
    [MEMORY_EPISODE] = "episode",
    [MEMORY_KIND_COUNT] = NULL,
};

bool memory_kind_of(struct text name, enum memory_kind *out)
{
    for (enum memory_kind i = 0; i < MEMORY_KIND_COUNT; i++)
        if (text_is(name, memory_kind_names[i])) {
            *out = i;
            return true;
        }
    return false;
}
