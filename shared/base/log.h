#pragma once
/* Structured logs on standard error, one line each: logfmt (default) or JSON.
 *
 *     log_info("run claimed", LOG_STR("run", id), LOG_INT("fence", fence));
 *
 * The context (run, thread, worker and trace ids) belongs to the fiber that runs: the fiber switch
 * swaps it (log_context_swap), and each line carries what is set. Values are cut at 1 KiB. Never
 * log payloads or credentials. Code in shared/ and providers/ logs at debug only; a failure is
 * logged once, where it is decided.
 *
 * The log never blocks the process for long: lines are written with one write(2) each; when the
 * reader does not keep up (EAGAIN on a non-blocking pipe) lines are dropped and counted.
 */

#include "shared/base/compiler.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR, LOG_LEVEL_OFF };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

enum log_field_type { LOG_FIELD_END, LOG_FIELD_STRING, LOG_FIELD_INT, LOG_FIELD_BOOL };

struct log_field {
    enum log_field_type type;
    const char *key;
    const char *string;
    int64_t number;
};

#define LOG_STR(k, v)  ((struct log_field){LOG_FIELD_STRING, k, v, 0})
#define LOG_INT(k, v)  ((struct log_field){LOG_FIELD_INT, k, NULL, (int64_t)(v)})
#define LOG_BOOL(k, v) ((struct log_field){LOG_FIELD_BOOL, k, NULL, (v) ? 1 : 0})

struct error;

/* Two fields: error=<text> code=<name>. */
#define LOG_ERROR(err) LOG_STR("error", (err)->text), LOG_STR("code", error_name((err)->code))

struct log_context {
    char run[48]; /* empty: not shown */
    char thread[48];
    char worker[24];
    char trace[48];
};

/* `program` is shown on every line and must outlive the process. */
void log_init(const char *program, enum log_level level, enum log_format format);
void log_to_fd(int fd); /* default 2 */

bool log_enabled(enum log_level level);

/* Sets the context in force and returns the one before; NULL is an empty one. Borrowed. */
struct log_context *log_context_swap(struct log_context *context);

void log_write(enum log_level level, const char *message, const struct log_field *fields);

/* Lines dropped so far because the reader did not keep up. */
uint64_t log_dropped(void);

/* Parse "debug", "info", "warn", "error", "off"; and "logfmt", "json". False: unknown word. */
MUSTCHECK bool log_level_parse(const char *word, enum log_level *out);
MUSTCHECK bool log_format_parse(const char *word, enum log_format *out);

#define LOG_AT(level, message, ...)                                                                \
    do {                                                                                           \
        if (log_enabled(level))                                                                    \
            log_write(level, message,                                                              \
                      (const struct log_field[]){                                                  \
                          __VA_ARGS__ __VA_OPT__(, ){LOG_FIELD_END, NULL, NULL, 0}});              \
    } while (0)

#define log_debug(message, ...) LOG_AT(LOG_LEVEL_DEBUG, message __VA_OPT__(, ) __VA_ARGS__)
#define log_info(message, ...)  LOG_AT(LOG_LEVEL_INFO, message __VA_OPT__(, ) __VA_ARGS__)
#define log_warn(message, ...)  LOG_AT(LOG_LEVEL_WARN, message __VA_OPT__(, ) __VA_ARGS__)
#define log_error(message, ...) LOG_AT(LOG_LEVEL_ERROR, message __VA_OPT__(, ) __VA_ARGS__)
