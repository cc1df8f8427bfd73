/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The IR YAML that the `kfp` compiler writes (pipelineSpec 2.x), as a pipeline of ours: components with a container command run as processes of
 * the host, as kfp's SubprocessRunner does; lightweight Python components get the executor input on their command line and the executor output
 * is read back. Conditions, ParallelFor, exit handlers, retries, caching options and nested dags are mapped; what cannot be is a problem that
 * says why (importer with a remote URI, ...). Other YAML documents of the file (platform configuration) are passed over with a warning.
 *
 * An artifact of KFP has metadata beside its bytes: it becomes an output NAME of type model (a file or a folder) and one NAME--metadata of type json.
 * Images are not used, and the `pip install` before a lightweight component is left out: its packages must be there (docs/reference/pipeline-file.md). */
#ifndef HONE_PIPELINE_KFP_H
#define HONE_PIPELINE_KFP_H

#include "base/problems.h"

#include <jansson.h>
#include <stdbool.h>

bool kfp_is(const json_t *document);

/* New reference to a document in our own language, or NULL with problems. */
json_t *kfp_convert(const json_t *document, struct problems *problems);

/* What a step with protocol kfp leaves at $HONE_OUTPUTS ({} when it left nothing), as `values` for its outputs and `metrics` {name: number}: numbers in the
 * metadata of artifacts. New references. */
struct step;
void kfp_outputs(const struct step *s, const json_t *executor_output, json_t **values, json_t **metrics);

#endif
