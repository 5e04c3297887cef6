// What a RoPE comes to, pair by pair: as JSON, as a picture, and against another one.
#ifndef SIMDROPE_TOOLS_FREQUENCIES_H_
#define SIMDROPE_TOOLS_FREQUENCIES_H_

#include <nlohmann/json.hpp>
#include <string>

#include "rope_arguments.h"

namespace simdrope::tool {

double Wavelength(double inv_freq);  // positions to a turn; infinite for 0

nlohmann::ordered_json Describe(const RopeChoice& choice, const Rope& rope);

// Wavelength against pair, with and without scaling, the context length marked.
std::string Plot(const RopeChoice& choice, const Rope& rope, const std::string& title);

// Fields and pairs that differ; pairs by how far their angles are apart at the greater max_position.
nlohmann::ordered_json Difference(const RopeChoice& first, const Rope& first_rope, const RopeChoice& second,
                                  const Rope& second_rope);

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_FREQUENCIES_H_
