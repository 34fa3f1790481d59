"""Paper mode, what owning it costs: Table 2's ratios, Table 3, carbon, Section 7.5.

Rules as the HNLPU paper states them (arXiv 2508.16151v2), for a number of systems and the H100 cluster that it
sets equal to them. A figure that starts with ``gpu_`` is the cluster's.
"""

from numpy import floor

from hnlpu.costmodel.sheet import rule

__all__: list[str] = []


@rule("W/system", source="Table 1")
def silicon_power(chip_power, chips_per_system):
    """Chips of a system."""
    return chip_power * chips_per_system


@rule("W/system", source="Table 2, back-solved: the paper does not say what the factor is")
def factored_system_power(silicon_power, system_power_factor):
    """Silicon power times the factor that gives Table 2's."""
    return silicon_power * system_power_factor


@rule("token/J", source="Table 2")
def tokens_per_j(tokens_per_s, system_power):
    """Tokens per second over system power."""
    return tokens_per_s / system_power


@rule("token/J", source="Table 2")
def gpu_tokens_per_j(gpu_tokens_per_s, gpu_power):
    """Tokens per second over power of one GPU."""
    return gpu_tokens_per_s / gpu_power


@rule("token/J", source="Table 2")
def wse_tokens_per_j(wse_tokens_per_s, wse_power):
    """Tokens per second over power of a WSE-3."""
    return wse_tokens_per_s / wse_power


@rule("token/s/mm2", source="Table 2")
def tokens_per_s_mm2(tokens_per_s, total_area):
    """Tokens per second over die area of a system."""
    return tokens_per_s / total_area


@rule("token/s/mm2", source="Table 2")
def gpu_tokens_per_s_mm2(gpu_tokens_per_s, gpu_die_area):
    """Tokens per second over a GPU's die."""
    return gpu_tokens_per_s / gpu_die_area


@rule("token/s/mm2", source="Table 2")
def wse_tokens_per_s_mm2(wse_tokens_per_s, wse_area):
    """Tokens per second over a WSE-3's wafer."""
    return wse_tokens_per_s / wse_area


@rule("gpu/system", source="Table 2")
def gpu_speed_ratio(tokens_per_s, gpu_tokens_per_s):
    """Tokens per second of a system over those of a GPU."""
    return tokens_per_s / gpu_tokens_per_s


@rule("1", source="Table 2")
def wse_speed_ratio(tokens_per_s, wse_tokens_per_s):
    """Tokens per second of a system over those of a WSE-3."""
    return tokens_per_s / wse_tokens_per_s


@rule("1", source="Table 2")
def gpu_efficiency_ratio(tokens_per_j, gpu_tokens_per_j):
    """Tokens per joule over a GPU's."""
    return tokens_per_j / gpu_tokens_per_j


@rule("1", source="Table 2")
def wse_efficiency_ratio(tokens_per_j, wse_tokens_per_j):
    """Tokens per joule over a WSE-3's."""
    return tokens_per_j / wse_tokens_per_j


@rule("gpu/system", source="Appendix B note 1")
def ownership_equivalence(ownership_tokens_per_s, gpu_ownership_tokens_per_s):
    """The speed that the cost of ownership uses over a GPU's in the same workload."""
    return ownership_tokens_per_s / gpu_ownership_tokens_per_s


@rule("gpu/system", source="Table 2 with Appendix B note 1")
def speed_equivalence(tokens_per_s, gpu_ownership_tokens_per_s):
    """Table 2's speed of a system over a GPU's in the workload of the cost of ownership."""
    return tokens_per_s / gpu_ownership_tokens_per_s


@rule("W", source="Appendix B note 2")
def exact_facility_power(system_power, systems, pue):
    """Systems' power times the facility's overhead."""
    return system_power * systems * pue


@rule("W", source="Appendix B note 2, if Table 2's power holds the overhead already")
def single_pue_power(silicon_power, systems, pue):
    """Chips' power times the facility's overhead, once."""
    return silicon_power * systems * pue


@rule("W", source="Table 3: 0.010 MW for 9.66 kW, and reused so")
def facility_power(exact_facility_power, facility_power_step):
    """Facility power, rounded to the step in which Table 3 states it."""
    return floor(exact_facility_power / facility_power_step + 0.5) * facility_power_step


@rule("USD", source="Appendix B note 4")
def facility_usd(
    network_price, systems, chips_per_system, chips_per_node, construction_price, facility_power
):  # fmt: skip
    """Network of every eight chips, and building per watt of facility power."""
    network = network_price * systems * chips_per_system / chips_per_node
    return network + construction_price * facility_power


@rule("USD", source="Table 3")
def capex_usd(build_usd, facility_usd):
    """Initial build and facility."""
    return build_usd + facility_usd


@rule("USD", source="Appendix B note 6")
def electricity_usd(facility_power, years, electricity_price):
    """Facility power over the years, at the price of a kWh."""
    return facility_power * years * electricity_price


@rule("USD", source="Appendix B note 7")
def maintenance_usd(spare_systems, chips_per_system, recurring_cost_per_chip):
    """Spare systems, without their share of one-time cost."""
    return spare_systems * chips_per_system * recurring_cost_per_chip


@rule("USD", source="Section 7.5")
def opex_usd(electricity_usd, maintenance_usd):
    """Electricity and maintenance."""
    return electricity_usd + maintenance_usd


@rule("USD", source="Table 3")
def tco_static_usd(capex_usd, opex_usd):
    """Ownership without a change of weights."""
    return capex_usd + opex_usd


@rule("USD", source="Table 3, Appendix B note 5")
def tco_dynamic_usd(tco_static_usd, respins, respin_usd):
    """Ownership with a respin for every change of weights."""
    return tco_static_usd + respins * respin_usd


@rule("kg", source="Appendix B note 8")
def embodied_carbon_kg(systems, chips_per_system, module_carbon):
    """Modules made."""
    return systems * chips_per_system * module_carbon


@rule("kg", source="Appendix B note 8")
def carbon_static_kg(embodied_carbon_kg, facility_power, years, grid_carbon):
    """Modules made, and electricity over the years."""
    return embodied_carbon_kg + facility_power * years * grid_carbon


@rule("kg", source="Appendix B note 8")
def carbon_dynamic_kg(carbon_static_kg, respins, embodied_carbon_kg):
    """The same, with all modules made anew at every respin."""
    return carbon_static_kg + respins * embodied_carbon_kg


@rule("gpu", source="Appendix B note 1")
def gpus(gpu_equivalence, systems):
    """GPUs that the paper sets equal to the systems."""
    return gpu_equivalence * systems


@rule("W", source="Appendix B note 2")
def gpu_it_power(gpus, gpu_power):
    """GPUs with their share of a server."""
    return gpus * gpu_power


@rule("W", source="Appendix B note 2")
def gpu_facility_power(gpu_it_power, pue):
    """GPUs' power times the facility's overhead."""
    return gpu_it_power * pue


@rule("USD", source="Appendix B note 3")
def gpu_node_usd(gpus, gpus_per_node, gpu_node_price):
    """Servers."""
    return gpus / gpus_per_node * gpu_node_price


@rule("USD", source="Appendix B note 4")
def gpu_network_usd(gpus, gpus_per_node, network_price):
    """Network of every server."""
    return gpus / gpus_per_node * network_price


@rule("USD", source="Appendix B note 4, as Table 3 computes it")
def gpu_facility_usd(gpu_network_usd, construction_price, gpu_facility_power):
    """Network, and building per watt of facility power."""
    return gpu_network_usd + construction_price * gpu_facility_power


@rule("USD", source="Appendix B note 4, as its text says: per MW of critical IT load")
def gpu_it_facility_usd(gpu_network_usd, construction_price, gpu_it_power):
    """Network, and building per watt of IT power."""
    return gpu_network_usd + construction_price * gpu_it_power


@rule("USD", source="Table 3")
def gpu_capex_usd(gpu_node_usd, gpu_facility_usd):
    """Servers and facility."""
    return gpu_node_usd + gpu_facility_usd


@rule("USD", source="Appendix B note 6")
def gpu_electricity_usd(gpu_facility_power, years, electricity_price):
    """Facility power over the years, at the price of a kWh."""
    return gpu_facility_power * years * electricity_price


@rule("USD", source="Appendix B note 7, price back-solved")
def gpu_software_usd(gpus, years, gpu_software_price):
    """Software licence of every GPU."""
    return gpus * years * gpu_software_price


@rule("USD", source="Appendix B note 7, as Table 3 computes it")
def gpu_maintenance_usd(gpu_capex_usd, years, gpu_maintenance_rate, gpu_software_usd):
    """A share of the whole initial outlay every year, and software."""
    return gpu_capex_usd * years * gpu_maintenance_rate + gpu_software_usd


@rule("USD", source="Appendix B note 7, as its text says: of hardware")
def gpu_hardware_maintenance_usd(gpu_node_usd, years, gpu_maintenance_rate, gpu_software_usd):
    """A share of the servers' price every year, and software."""
    return gpu_node_usd * years * gpu_maintenance_rate + gpu_software_usd


@rule("USD", source="Section 7.5")
def gpu_opex_usd(gpu_electricity_usd, gpu_maintenance_usd):
    """Electricity and maintenance."""
    return gpu_electricity_usd + gpu_maintenance_usd


@rule("USD", source="Table 3")
def gpu_tco_usd(gpu_capex_usd, gpu_opex_usd):
    """Ownership; a change of weights costs nothing."""
    return gpu_capex_usd + gpu_opex_usd


@rule("kg", source="Appendix B note 8")
def gpu_carbon_kg(gpus, gpu_carbon, gpu_facility_power, years, grid_carbon):
    """Cards made, and electricity over the years."""
    return gpus * gpu_carbon + gpu_facility_power * years * grid_carbon


@rule("1", source="Section 7.5")
def capex_ratio(gpu_capex_usd, capex_usd):
    """Initial outlay of the GPUs over ours."""
    return gpu_capex_usd / capex_usd


@rule("1", source="Section 7.5")
def capex_saving(capex_ratio):
    """Share of the GPUs' initial outlay that is saved."""
    return 1 - 1 / capex_ratio


@rule("1", source="Section 7.5")
def opex_ratio(gpu_opex_usd, opex_usd):
    """Running cost of the GPUs over ours."""
    return gpu_opex_usd / opex_usd


@rule("1", source="Section 7.5")
def tco_ratio(gpu_tco_usd, tco_dynamic_usd):
    """Ownership of the GPUs over ours with respins."""
    return gpu_tco_usd / tco_dynamic_usd


@rule("1", source="Section 7.5")
def carbon_static_ratio(gpu_carbon_kg, carbon_static_kg):
    """Carbon of the GPUs over ours without respins."""
    return gpu_carbon_kg / carbon_static_kg


@rule("1", source="Section 7.5")
def carbon_dynamic_ratio(gpu_carbon_kg, carbon_dynamic_kg):
    """Carbon of the GPUs over ours with respins."""
    return gpu_carbon_kg / carbon_dynamic_kg
