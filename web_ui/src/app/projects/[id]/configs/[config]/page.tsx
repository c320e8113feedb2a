import { ConfigPage } from "@/features/config/config-page";

export default ConfigPage;
