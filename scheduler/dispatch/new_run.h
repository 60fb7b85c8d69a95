#pragma once
/* A run that was just committed, as the API tells of it. */

#include "shared/base/id.h"

struct new_run {
    struct uuid id;
    struct uuid tenant;
    int shard;
    int priority;
};
