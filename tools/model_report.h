// A model file's RoPEs for people and programs: as JSON, as text, as a picture, and against another file's.
#ifndef SIMDROPE_TOOLS_MODEL_REPORT_H_
#define SIMDROPE_TOOLS_MODEL_REPORT_H_

#include <nlohmann/json.hpp>
#include <simdrope/io.hpp>
#include <string>

#include "weight_check.h"

namespace simdrope::tool {

nlohmann::ordered_json Describe(const io::Model& model);
nlohmann::ordered_json Describe(const io::FamilyInfo& family);
nlohmann::ordered_json Describe(const WeightCheck& check);
void PrintModel(const nlohmann::ordered_json& model);  // as Describe gives it

// Wavelength against pair, a line for each kind of layer that rotates.
std::string Plot(const io::Model& model, const std::string& title);

// What differs, kind by kind; angles at the last position that either file allows.
nlohmann::ordered_json Difference(const io::Model& first, const io::Model& second);
void PrintDifference(const nlohmann::ordered_json& difference, const std::string& first, const std::string& second);

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_MODEL_REPORT_H_
