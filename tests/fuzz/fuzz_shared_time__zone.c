/* Any bytes as a TZif file, and any text as a POSIX rule: refused, or offsets of at most a week or
 * so. */

#include "shared/base/error.h"
#include "shared/time/zone.h"
#include "shared/time/zone_rule.h"

#define OFFSET_MAX_S (170 * 3600) /* RFC 8536 allows rules up to 167 hours */

static const int64_t instants[] = {INT64_C(-62135596800), -1, 0, 1774747800, INT64_C(253402300799)};

static void check_rule(struct text text)
{
    struct zone_rule rule;

    if (!zone_rule_parse(text, &rule))
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(instants); i++) {
        int32_t offset_s = zone_rule_offset(&rule, instants[i]);

        ASSERT(offset_s >= -OFFSET_MAX_S && offset_s <= OFFSET_MAX_S);
        ASSERT(offset_s == rule.standard_s || (rule.has_summer && offset_s == rule.summer_s));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text bytes = {(const char *)data, size};
    CLEANUP(zone_freep) struct zone *zone = NULL;
    struct error err = {0};
    int r = zone_parse(bytes, &zone, &err);

    check_rule(bytes);
    if (r < 0) {
        ASSERT(r == -E_INVALID);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(instants); i++)
        (void)zone_offset(zone, instants[i]);
    return 0;
}
