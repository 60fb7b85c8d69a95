#pragma once
/* A configuration out of its text, as a file holds it, for the tests of several libraries. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "shared/config/config.h"

/* Writes a temporary file, whose name goes to `path`. The caller unlinks it. */
static inline void config_write(const char *text, char path[64])
{
    int fd;

    (void)snprintf(path, 64, "/tmp/penstock-config-XXXXXX");
    fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* What `load` (config_load, config_load_again) makes of the text. The caller frees it. */
static inline struct config *config_of(const char *text, char *const *environment,
                                       int (*load)(const struct config_flags *, char *const *,
                                                   struct config **, struct error *))
{
    char path[64];
    struct config_flags flags = {.file = path};
    struct config *config = NULL;
    struct error err;

    config_write(text, path);
    cr_assert_eq(load(&flags, environment, &config, &err), 0, "%s", err.text);
    unlink(path);
    return config;
}
