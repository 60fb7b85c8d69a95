/* What children of `penstock dev` find in their environment. A key that was exported in the shell
 * is for the programs that call the provider: not for a database server, whose environment its own
 * user can read, nor for a stand-in that needs none.
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "scheduler/cli/dev/dev.h"
#include "scheduler/cli/files.h"
#include "shared/base/memory.h"
#include "shared/config/config.h"

#define CONFIG_BYTES_MAX ((size_t)1 << 20)

static const char *const base_names[] = {"PATH",   "HOME",         "LANG",          "TZ",
                                         "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"};

/* Read by the library that speaks TLS to providers. */
static const char *const client_names[] = {"SSL_CERT_FILE", "SSL_CERT_DIR"};

static bool is_one_of(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

bool dev_environment_passes(enum dev_needs needs, const char *name, const char *config_text)
{
    if (is_one_of(base_names, ARRAY_LENGTH(base_names), name) || strncmp(name, "LC_", 3) == 0)
        return true;
    return needs == DEV_NEEDS_SETTINGS &&
           (is_one_of(client_names, ARRAY_LENGTH(client_names), name) ||
            config_reads(name, config_text));
}

/* The text of the configuration file, or nothing: its readers say why it can not be read. */
static void read_config(struct buf *out)
{
    const char *path = getenv("PENSTOCK_CONFIG");

    buf_init(out, CONFIG_BYTES_MAX);
    if (path && *path && file_read(path, out, NULL) < 0)
        buf_reset(out);
}

char **dev_environment_new(enum dev_needs needs)
{
    CLEANUP(buf_deinit) struct buf config = {0};
    char **passed;
    size_t count = 0;
    size_t used = 0;

    while (environ[count])
        count++;
    passed = xcalloc(count + 1, sizeof(*passed));
    read_config(&config);
    for (size_t i = 0; i < count; i++) {
        CLEANUP(freep) char *name = xstrndup(environ[i], strcspn(environ[i], "="));

        if (dev_environment_passes(needs, name, buf_string(&config)))
            passed[used++] = environ[i];
    }
    return passed;
}
