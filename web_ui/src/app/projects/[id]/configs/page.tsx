import { ConfigsPage } from "@/features/configs/configs-page";

export default ConfigsPage;
