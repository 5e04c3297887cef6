// Structs of simdrope.h as the dataclasses of simdrope._types. Fields and names are those of core/config_fields.h and
// core/names.h.
#ifndef SIMDROPE_BINDINGS_PYTHON_FIELDS_H_
#define SIMDROPE_BINDINGS_PYTHON_FIELDS_H_

#include <cstddef>
#include <vector>

#include "python.h"

namespace simdrope::python {

// The names of an enum, in the order of its values from 0.
struct Names {
  const char* const* first;
  int count;
};
extern const Names kPairings, kFormats, kOutOfRange, kNorms;

// The value called `name` in `text`; `argument` says what is being read, for the message.
int ValueOf(const Names& names, PyObject* text, const char* argument);

// A Config with the lists that it points at.
struct OwnedConfig {
  simdrope_config config;
  std::vector<double> factors;
  std::vector<double> long_factors;
  std::vector<uint8_t> pair_axis;
};
void ReadConfig(PyObject* config, OwnedConfig* out);
// A simdrope._types.Config.
Ref MakeConfig(const simdrope_config& config);

// The scalar fields of Norm and Stages; weights are arrays and read where calls are.
void ReadNorm(PyObject* norm, simdrope_norm* out);
void ReadStages(PyObject* stages, simdrope_stages* out);

}  // namespace simdrope::python

#endif  // SIMDROPE_BINDINGS_PYTHON_FIELDS_H_
