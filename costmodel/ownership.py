"""Cost of ownership of all systems over the years, beside accelerators that write as many tokens.

    TCO = NRE + chips + facility + network + electricity + maintenance + respins
    PUE enters once, in the electricity; facility is priced per W of IT load.

Break-even: the number of systems, and the respins per year, at which both cost the same; infinite where they never do.
"""

from numpy import ceil, maximum

from hnlpu.costmodel.sheet import rule

__all__ = ["INPUTS"]

#: Inputs of these rules and their units.
INPUTS = {
    "years": "year",
    "utilisation": "1",
    "respins_per_year": "1/year",
    "electricity_price": "USD/(kW*h)",
    "pue": "1",
    "facility_price": "USD/MW",
    "network_usd_per_chip": "USD/chip",
    "maintenance_per_year": "1/year",
    "grid_carbon": "kg/(kW*h)",
    "wafer_carbon": "kg/wafer",
    "hbm_carbon": "kg/GB",
    "package_carbon": "kg/chip",
    "gpu_price": "USD/gpu",
    "gpu_power": "W/gpu",
    "gpu_network_usd": "USD/gpu",
    "gpu_software_usd_per_year": "USD/(gpu*year)",
    "gpu_embodied_carbon": "kg/gpu",
    "gpu_tokens_per_s": "token/(gpu*s)",
    "gpu_count_min": "gpu",
}


@rule("USD")
def facility_usd(power_w, systems, facility_price):
    """IT power of all systems x price of a facility per W."""
    return power_w * systems * facility_price


@rule("USD")
def network_usd(chips, systems, network_usd_per_chip):
    """Chips of all systems x their share of the network."""
    return chips * systems * network_usd_per_chip


@rule("USD")
def capex_usd(nre_usd, chips_usd, facility_usd, network_usd):
    """NRE + chips + facility + network."""
    return nre_usd + chips_usd + facility_usd + network_usd


@rule("J")
def energy_used(power_w, systems, pue, years):
    """Power of all systems x PUE x years: a system that waits takes about what a busy one does."""
    return power_w * systems * pue * years


@rule("USD")
def electricity_usd(energy_used, electricity_price):
    """Energy x price."""
    return energy_used * electricity_price


@rule("USD")
def maintenance_usd(chips_usd, maintenance_per_year, years):
    """Share of the hardware per year x years."""
    return chips_usd * maintenance_per_year * years


@rule("USD")
def respins_usd(respin_usd, respins_per_year, years):
    """Respins of all years x cost of one."""
    return respin_usd * respins_per_year * years


@rule("USD")
def tco_usd(capex_usd, electricity_usd, maintenance_usd, respins_usd):
    """Capital + electricity + maintenance + respins."""
    return capex_usd + electricity_usd + maintenance_usd + respins_usd


@rule("token")
def tokens_written(tokens_per_s, systems, years, utilisation):
    """Tokens that all systems write over the years."""
    return tokens_per_s * systems * years * utilisation


@rule("USD/token")
def usd_per_token(tco_usd, tokens_written):
    """TCO / tokens written."""
    return tco_usd / tokens_written


@rule("kg")
def embodied_kg(
    wafers, wafer_carbon, built_systems, chips, hbm_stacks, hbm_stack_bytes, hbm_needed, hbm_carbon,
    package_carbon, respins_per_year, years,
):  # fmt: skip
    """Wafers, HBM and packages of the first systems and of every respin."""
    per_chip = hbm_stacks * hbm_stack_bytes * hbm_needed * hbm_carbon + package_carbon
    once = wafers * wafer_carbon + built_systems * chips * per_chip
    return once * (1 + respins_per_year * years)


@rule("kg")
def operational_kg(energy_used, grid_carbon):
    """Energy x carbon of the grid."""
    return energy_used * grid_carbon


@rule("kg")
def carbon_kg(embodied_kg, operational_kg):
    """Embodied + operational."""
    return embodied_kg + operational_kg


@rule("gpu")
def gpus(tokens_per_s, systems, gpu_tokens_per_s, gpu_count_min):
    """Accelerators that write as many tokens per second, rounded up, at least what holds the model."""
    return maximum(ceil(tokens_per_s * systems / gpu_tokens_per_s), gpu_count_min)


@rule("USD")
def gpu_capex_usd(gpus, gpu_price, gpu_power, facility_price, gpu_network_usd):
    """Accelerators x (price, facility for their power, network)."""
    return gpus * (gpu_price + gpu_power * facility_price + gpu_network_usd)


@rule("J")
def gpu_energy_used(gpus, gpu_power, pue, years):
    """Power x PUE x years."""
    return gpus * gpu_power * pue * years


@rule("USD")
def gpu_tco_usd(
    gpu_capex_usd, gpu_energy_used, electricity_price, gpus, gpu_price, maintenance_per_year, years,
    gpu_software_usd_per_year,
):  # fmt: skip
    """Capital + electricity + maintenance + software."""
    yearly = gpu_price * maintenance_per_year + gpu_software_usd_per_year
    return gpu_capex_usd + gpu_energy_used * electricity_price + gpus * yearly * years


@rule("kg")
def gpu_carbon_kg(gpus, gpu_embodied_carbon, gpu_energy_used, grid_carbon):
    """Embodied + operational."""
    return gpus * gpu_embodied_carbon + gpu_energy_used * grid_carbon


@rule("token/J")
def gpu_tokens_per_j(gpu_tokens_per_s, gpu_power):
    """Tokens per second of an accelerator / its power."""
    return gpu_tokens_per_s / gpu_power


@rule("1")
def cost_advantage(gpu_tco_usd, tco_usd):
    """TCO of the accelerators / ours, for the same tokens."""
    return gpu_tco_usd / tco_usd


@rule("1")
def energy_advantage(tokens_per_j, gpu_tokens_per_j):
    """Our tokens per J / the accelerator's."""
    return tokens_per_j / gpu_tokens_per_j


@rule("1")
def carbon_advantage(gpu_carbon_kg, carbon_kg):
    """Carbon of the accelerators / ours, for the same tokens."""
    return gpu_carbon_kg / carbon_kg


@rule("USD/system")
def system_owned_usd(
    marginal_system_usd, power_w, facility_price, chips, network_usd_per_chip, pue, years,
    electricity_price, maintenance_per_year, respins_per_year,
):  # fmt: skip
    """One more system over the years: hardware (again with every respin), facility, network, electricity,
    maintenance."""
    hardware = marginal_system_usd * (1 + respins_per_year * years + maintenance_per_year * years)
    place = power_w * facility_price + chips * network_usd_per_chip
    return hardware + place + power_w * pue * years * electricity_price


@rule("USD/system")
def gpus_owned_usd(
    tokens_per_s, gpu_tokens_per_s, gpu_price, gpu_power, facility_price, gpu_network_usd, pue,
    years, electricity_price, maintenance_per_year, gpu_software_usd_per_year,
):  # fmt: skip
    """Accelerators that do one system's work over the years, not rounded."""
    yearly = gpu_price * maintenance_per_year + gpu_software_usd_per_year
    place = (
        gpu_power * facility_price + gpu_network_usd + gpu_power * pue * years * electricity_price
    )
    return tokens_per_s / gpu_tokens_per_s * (gpu_price + place + yearly * years)


@rule("system")
def break_even_systems(
    nre_usd, mask_variants_usd, respin_engineering_usd, respins_per_year, years, gpus_owned_usd,
    system_owned_usd,
):  # fmt: skip
    """Cost that does not grow with systems / what a system saves; infinite where it saves nothing."""
    fixed = nre_usd + (mask_variants_usd + respin_engineering_usd) * respins_per_year * years
    return fixed / maximum(gpus_owned_usd - system_owned_usd, 0 * system_owned_usd)


@rule("1/s")
def break_even_respins_per_year(gpu_tco_usd, tco_usd, respins_usd, respin_usd, years):
    """Respins per year at which both cost the same; 0 where ours costs more without any."""
    return maximum(gpu_tco_usd - tco_usd + respins_usd, 0 * tco_usd) / (respin_usd * years)
