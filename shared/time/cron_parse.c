/* Reading cron expressions.
 *
 * A table says what each field may hold. An item of a field's list is first looked at as one of the
 * forms that only the day fields have, then as values with a step. What is ambiguous between the
 * programs that read cron is refused with what to write instead: six fields, "?" (where it is
 * known, Sunday is 1), a range that runs backwards, a step that never steps.
 */

#include "shared/time/cron_parse.h"

#include <ctype.h>

#include "shared/base/error.h"
#include "shared/time/cron.h"

#define SHOWN_SIZE 32
#define WORDS_MAX  8

enum place { MINUTE, HOUR, DAY, MONTH, WEEKDAY, PLACES };

static const struct field {
    const char *name;
    int min, max;
    int count;         /* of what "*" stands for, from min on */
    const char *names; /* of three letters, from min on */
    const char *expected;
} fields[PLACES] = {
    {"minute", 0, 59, 60, "", "0 to 59"},
    {"hour", 0, 23, 24, "", "0 to 23"},
    {"day of month", 1, 31, 31, "", "1 to 31, L, LW or such as 15W"},
    {"month", 1, 12, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC", "1 to 12 or JAN to DEC"},
    {"day of week", 0, 7, 7, "SUNMONTUEWEDTHUFRISAT",
     "0 to 7 (0 and 7 are Sunday) or SUN to SAT, or such as 5L or 5#2"},
};

static const struct nickname {
    const char *name;
    const char *meaning;
} nicknames[] = {
    {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
    {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
    {"@hourly", "0 * * * *"},
};

static int wrong(const struct field *field, struct text item, const char *why, struct error *err)
{
    char shown[SHOWN_SIZE];

    text_excerpt(item, shown, sizeof(shown));
    return error_set(err, E_INVALID, "%s \"%s\": %s", field->name, shown, why);
}

static int unexpected(const struct field *field, struct text item, struct error *err)
{
    char why[120] = "expected ";

    strncat(why, field->expected, sizeof(why) - sizeof("expected "));
    return wrong(field, item, why, err);
}

static bool number(struct text text, int min, int max, int *out)
{
    int value = 0;

    if (text.len == 0 || text.len > 2)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        value = value * 10 + (text.ptr[i] - '0');
    }
    *out = value;
    return value >= min && value <= max;
}

static bool value_of(const struct field *field, struct text text, int *out)
{
    for (int i = 0; text.len == 3 && field->names[(size_t)i * 3]; i++) {
        const char *name = field->names + (size_t)i * 3;

        if (toupper((unsigned char)text.ptr[0]) == name[0] &&
            toupper((unsigned char)text.ptr[1]) == name[1] &&
            toupper((unsigned char)text.ptr[2]) == name[2]) {
            *out = field->min + i;
            return true;
        }
    }
    return number(text, field->min, field->max, out);
}

/* "*", "5" or "1-5"; *range is whether it is one of the other two. */
static int read_range(const struct field *field, struct text item, int from_to[2],
                      struct error *err)
{
    struct text first = item, last = item;

    if (text_is(item, "*")) {
        from_to[0] = field->min;
        from_to[1] = field->min + field->count - 1;
        return 0;
    }
    (void)text_cut(item, '-', &first, &last);
    if (!value_of(field, first, &from_to[0]) || !value_of(field, last, &from_to[1]))
        return unexpected(field, item, err);
    if (field == &fields[WEEKDAY] && text_is_nocase(last, "SUN") && from_to[0] > 0)
        from_to[1] = 7;
    if (from_to[0] > from_to[1])
        return wrong(field, item, "a range must not run backwards; give two, with a comma", err);
    return 0;
}

static int read_values(const struct field *field, struct text item, uint64_t *set,
                       struct error *err)
{
    struct text range = item, step_text = TEXT_NONE;
    bool stepped = text_cut(item, '/', &range, &step_text);
    int from_to[2];
    int step = 1;
    int r;

    r = read_range(field, range, from_to, err);
    if (r < 0)
        return r;
    if (stepped && !number(step_text, 1, field->count, &step))
        return error_set(err, E_INVALID,
                         "%s \"%.*s\": a step must be from 1 to %d; for what is longer give the "
                         "next field a step, or an interval",
                         field->name, TEXT_ARGS(text_prefix(item, SHOWN_SIZE)), field->count);
    if (stepped && !text_is(range, "*") && !memchr(range.ptr, '-', range.len))
        from_to[1] = field->min + field->count - 1;
    for (int value = from_to[0]; value <= from_to[1]; value += step)
        *set |= UINT64_C(1) << value;
    return 0;
}

/* L, LW and 15W. False: it is none of them. */
static bool read_day(struct text item, struct cron *cron)
{
    int day;

    if (text_is_nocase(item, "L")) {
        cron->last_day = true;
        return true;
    }
    if (text_is_nocase(item, "LW")) {
        cron->last_near_day = true;
        return true;
    }
    if (item.len < 2 || toupper((unsigned char)item.ptr[item.len - 1]) != 'W' ||
        !number((struct text){item.ptr, item.len - 1}, 1, 31, &day))
        return false;
    cron->near_days |= UINT32_C(1) << day;
    return true;
}

/* 5L and 5#2. False: it is none of them. */
static bool read_weekday(struct text item, struct cron *cron)
{
    const struct field *field = &fields[WEEKDAY];
    struct text name, nth;
    int weekday, n;

    if (text_cut(item, '#', &name, &nth)) {
        if (!value_of(field, name, &weekday) || !number(nth, 1, 5, &n))
            return false;
        cron->nth_weekdays[n - 1] |= (uint8_t)(1 << weekday % 7);
        return true;
    }
    if (item.len < 2 || toupper((unsigned char)item.ptr[item.len - 1]) != 'L' ||
        !value_of(field, (struct text){item.ptr, item.len - 1}, &weekday))
        return false;
    cron->last_weekdays |= (uint8_t)(1 << weekday % 7);
    return true;
}

static int read_field(enum place place, struct text text, struct cron *cron, uint64_t *set,
                      struct error *err)
{
    struct text rest = text;
    bool more = true;

    if (memchr(text.ptr, '?', text.len))
        return wrong(&fields[place], text, "there is no \"?\"; write \"*\" (Sunday is 0 here)",
                     err);
    while (more) {
        struct text item = rest;
        int r;

        more = text_cut(rest, ',', &item, &rest);
        if ((place == DAY && read_day(item, cron)) ||
            (place == WEEKDAY && read_weekday(item, cron)))
            continue;
        r = read_values(&fields[place], item, set, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Splits at blanks and tabs. Returns how many words there are, of which WORDS_MAX are kept. */
static size_t split(struct text text, struct text words[WORDS_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < text.len;) {
        size_t begin = i;

        while (i < text.len && text.ptr[i] != ' ' && text.ptr[i] != '\t')
            i++;
        if (i > begin && count++ < WORDS_MAX)
            words[count - 1] = (struct text){text.ptr + begin, i - begin};
        if (i < text.len)
            i++;
    }
    return count;
}

/* A nickname becomes what it means. */
static int expand(struct text *text, struct error *err)
{
    char shown[SHOWN_SIZE];

    for (size_t i = 0; i < ARRAY_LENGTH(nicknames); i++) {
        if (text_is_nocase(*text, nicknames[i].name)) {
            *text = text_of(nicknames[i].meaning);
            return 0;
        }
    }
    text_excerpt(*text, shown, sizeof(shown));
    return error_set(err, E_INVALID,
                     "\"%s\" is not known: there are @yearly, @annually, @monthly, @weekly, "
                     "@daily, @midnight and @hourly, and intervals such as 15m are no cron "
                     "expressions",
                     shown);
}

static int check_count(const struct text *words, size_t count, struct error *err)
{
    if (count == PLACES)
        return 0;
    if (count > 0 && memchr(words[0].ptr, '=', words[0].len))
        return error_set(err, E_INVALID,
                         "a time zone is given beside a cron expression, not in it");
    return error_set(err, E_INVALID,
                     "a cron expression has five fields (minute, hour, day of month, month, day of "
                     "week), not %zu%s",
                     count, count > PLACES ? ": there are no seconds and no years" : "");
}

int cron_parse(struct text text, struct cron *out, struct error *err)
{
    struct text words[WORDS_MAX];
    uint64_t sets[PLACES] = {0};
    struct cron cron = {0};
    int64_t ignored;
    int r;

    text = text_trim(text);
    if (text.len > CRON_TEXT_MAX)
        return error_set(err, E_INVALID, "a cron expression has %d bytes at most", CRON_TEXT_MAX);
    if (text_starts(text, "@")) {
        r = expand(&text, err);
        if (r < 0)
            return r;
    }
    r = check_count(words, split(text, words), err);
    for (enum place place = MINUTE; r == 0 && place < PLACES; place++)
        r = read_field(place, words[place], &cron, &sets[place], err);
    if (r < 0)
        return r;
    cron.minutes = sets[MINUTE];
    cron.hours = (uint32_t)sets[HOUR];
    cron.days = (uint32_t)sets[DAY];
    cron.months = (uint16_t)sets[MONTH];
    cron.weekdays = (uint8_t)((sets[WEEKDAY] | sets[WEEKDAY] >> 7) & 0x7f);
    cron.any_day = text_is(words[DAY], "*");
    cron.any_weekday = text_is(words[WEEKDAY], "*");
    cron.fixed = true;
    for (enum place place = MINUTE; place <= HOUR; place++)
        if (memchr(words[place].ptr, '*', words[place].len) ||
            memchr(words[place].ptr, '/', words[place].len))
            cron.fixed = false;
    if (!cron_first_match(&cron, 0, &ignored))
        return error_set(err, E_INVALID,
                         "it would never fire: no month that it names has that day");
    *out = cron;
    return 0;
}
