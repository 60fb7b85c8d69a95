/* Names in the order in which they came. */

#include "shared/metrics/series.h"

#include <string.h>

void series_init(struct series *series, struct series_key *keys, size_t size)
{
    ASSERT(size >= 2);
    memset(keys, 0, size * sizeof(*keys));
    memcpy(keys[size - 1].first, SERIES_OTHER, sizeof(SERIES_OTHER));
    memcpy(keys[size - 1].second, SERIES_OTHER, sizeof(SERIES_OTHER));
    *series = (struct series){.keys = keys, .size = size};
}

size_t series_place(struct series *series, struct text first, struct text second, bool add)
{
    struct series_key key;

    text_excerpt(first, key.first, sizeof(key.first));
    text_excerpt(second, key.second, sizeof(key.second));
    for (size_t i = 0; i < series->count; i++)
        if (strcmp(series->keys[i].second, key.second) == 0 &&
            strcmp(series->keys[i].first, key.first) == 0)
            return i;
    if (!add || series->count == series->size - 1)
        return series->size - 1;
    series->keys[series->count] = key;
    return series->count++;
}
