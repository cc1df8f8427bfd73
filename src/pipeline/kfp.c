/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pipeline/kfp.h"

bool kfp_is(const json_t *document)
{
    return json_object_get(document, "pipelineInfo") != NULL;
}

json_t *kfp_convert(const json_t *document, struct problems *problems)
{
    (void)document;
    problems_add(problems, "/pipelineInfo", "UNSUPPORTED", NULL, "files of Kubeflow Pipelines are not read yet");
    return NULL;
}
