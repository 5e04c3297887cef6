// Which object of a config.json is the language model, and of which family it is.
#ifndef SIMDROPE_IO_HF_MODEL_TYPE_H_
#define SIMDROPE_IO_HF_MODEL_TYPE_H_

#include <simdrope/io.hpp>
#include <string>
#include <utility>
#include <vector>

#include "io/family.h"
#include "io/json.h"

namespace simdrope::io {

// The language model in a larger one, however deep.
struct Place {
  const Json* config;
  std::string path;
  std::string outer_type;
  std::vector<std::pair<const Json*, std::string>> around;  // the objects on the way, with their paths
};

Place find_language_model(const Json& root);

// Its own model_type, else what the object around it or its architecture means; "" where none says it.
std::string model_type_of(const Place& place, const Families& families);

// Of model type `type`, or of options.family with a warning in `model`; rejects what is not known.
const Family& family_of(const Json& config, const std::string& type, const Families& families,
                        const ReadOptions& options, Model& model);

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_HF_MODEL_TYPE_H_
