#pragma once
/* What the tests of cron share. */

#include "shared/time/cron.h"
#include "support.h"

/* An expression that must be right. */
struct cron cron_of(const char *text);
