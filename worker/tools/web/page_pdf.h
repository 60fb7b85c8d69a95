#pragma once
/* The text of a PDF, by pdftotext in a sandbox (worker/tools/sandbox). */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;
struct tool_call;

/* Appends it. Returns 0; -E_UNAVAILABLE: there is no sandbox, or no pdftotext; -E_INVALID: it can't
 * be read, or has no text; or what else sandbox_run returns. Each with a sentence for the model. */
SUSPENDS MUSTCHECK int page_pdf_read(const struct tool_call *call, struct text pdf, struct buf *out,
                                     struct error *err);
